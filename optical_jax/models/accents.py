"""Which accents a student's tokenizer keeps where the teacher's strips them all.

The marks that the language itself is written with stay, the others go as before, so that
foreign names are found under the teacher's spelling.
"""

import collections
import unicodedata
from collections.abc import Sequence
from typing import Any

# A mark belongs to the language if at least this share of the words bears it; the rest
# are foreign names'.
MIN_MARK_SHARE = 1e-3


def normalizer(
    state: dict[str, Any] | None, texts: Sequence[str]
) -> dict[str, Any] | None:
    """Return the teacher's normaliser but for the marks that the language writes with.

    Both are parts of a tokenizer.json. A normaliser other than BERT's is left as it is.
    """
    if state is None or state["type"] != "BertNormalizer":
        return state
    strips = state["strip_accents"]
    strips = state["lowercase"] if strips is None else strips
    plain = {**state, "strip_accents": False}
    if not strips:
        return _sequence({"type": "NFC"}, plain)
    kept = "".join(_language_marks(texts))
    stripped = rf"[\p{{Mn}}&&[^{kept}]]" if kept else r"\p{Mn}"
    pattern = {"type": "Replace", "pattern": {"Regex": stripped}, "content": ""}
    return _sequence(plain, {"type": "NFD"}, pattern, {"type": "NFC"})


def _sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(parts)}


def _language_marks(texts: Sequence[str]) -> list[str]:
    counts: collections.Counter[str] = collections.Counter()
    words = 0
    for text in texts:
        for word in unicodedata.normalize("NFD", text).split():
            words += 1
            if not word.isascii():
                counts.update({c for c in word if unicodedata.category(c) == "Mn"})
    return sorted(mark for mark in counts if counts[mark] >= MIN_MARK_SHARE * words)
