"""Read pairs of sentences from a translation memory (TMX 1.4)."""

from pathlib import Path
from typing import Any

from optical_jax.data import xmlfile

# Elements of a segment that hold the native codes of a format, not text.
_CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})


def read(path: Path, *, languages: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the segments in two languages of each unit; "" where one is missing.

    Args:
        path: The TMX file; it may be the only file of a zip archive.
        languages: BCP-47 codes; a code also finds its own varieties ("sw": "sw-KE").
    """
    pairs = []
    present: dict[str, None] = {}
    found = [False, False]
    for unit in xmlfile.elements(path, tag="tu"):
        segments = _segments(unit)
        present |= dict.fromkeys(segments)
        chosen = [_choose(segments, language) for language in languages]
        found = [f or c is not None for f, c in zip(found, chosen, strict=True)]
        pairs.append((chosen[0] or "", chosen[1] or ""))
    for language, is_found in zip(languages, found, strict=True):
        if pairs and not is_found:
            raise ValueError(
                f"{path} has no segment in language {language!r}; it has "
                f"{', '.join(sorted(present))}"
            )
    return pairs


def _segments(unit: Any) -> dict[str, str]:
    """Return language code -> text of one translation unit."""
    segments: dict[str, str] = {}
    for variant in unit:
        if xmlfile.local_name(variant.tag) != "tuv":
            continue
        # `xml:lang` since TMX 1.4, `lang` before.
        names = {xmlfile.local_name(name): code for name, code in variant.items()}
        for child in variant:
            if xmlfile.local_name(child.tag) == "seg":
                text = xmlfile.text_of(child, without=_CODES)
                segments.setdefault(names.get("lang", ""), text)
    return segments


def _choose(segments: dict[str, str], language: str) -> str | None:
    """Return the segment in a language, else in the first variety of it."""
    wanted = language.casefold()
    codes = {code: code.casefold().replace("_", "-") for code in segments}
    for code, folded in codes.items():
        if folded == wanted:
            return segments[code]
    for code, folded in codes.items():
        if folded.startswith(f"{wanted}-"):
            return segments[code]
    return None
