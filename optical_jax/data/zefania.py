"""Read two Bibles in Zefania XML as verses that translate each other."""

from pathlib import Path

from optical_jax.data import xmlfile

_NOTES = frozenset({"NOTE", "note", "XREF", "xref"})


def read(source: Path, target: Path) -> list[tuple[str, str]]:
    """Return the verses that both files have, in the order of the source.

    Versification differs a little between translations, so verses are joined on (book
    number, chapter, verse) and not by their position.
    """
    source_verses, target_verses = verses(source), verses(target)
    pairs = [
        (text, target_verses[key])
        for key, text in source_verses.items()
        if key in target_verses
    ]
    if not pairs:
        raise ValueError(
            f"{source} ({len(source_verses)} verses) and {target} "
            f"({len(target_verses)} verses) share no (book, chapter, verse)"
        )
    return pairs


def verses(path: Path) -> dict[tuple[str, str, str], str]:
    """Return (book, chapter, verse) -> text; the first of two verses of one number."""
    texts: dict[tuple[str, str, str], str] = {}
    for book in xmlfile.elements(path, tag="BIBLEBOOK"):
        for chapter in book.iter("CHAPTER"):
            for verse in chapter.iter("VERS"):
                key = (
                    book.get("bnumber", ""),
                    chapter.get("cnumber", ""),
                    verse.get("vnumber", ""),
                )
                texts.setdefault(key, xmlfile.text_of(verse, without=_NOTES))
    if not texts:
        raise ValueError(f"{path} has no verse: it is empty or not Zefania XML")
    return texts
