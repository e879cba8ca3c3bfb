"""Digits of other scripts as ASCII's: "२०१५" is the year that English texts write 2015.

Teachers know pieces of ASCII's digits alone, and documents have those.
"""

import unicodedata
from collections.abc import Iterable
from typing import Any


def normalizer(
    state: dict[str, Any] | None, texts: Iterable[str]
) -> dict[str, Any] | None:
    """Return a tokenizer.json's normaliser that folds the digits of the texts' scripts.

    All ten digits of a script of which the texts have one; without any it stays as it is.
    """
    found = {c for text in texts if not text.isascii() for c in text if c > "\x7f"}
    zeros = sorted(
        {
            chr(ord(c) - unicodedata.digit(c))
            for c in found
            if unicodedata.category(c) == "Nd"
        }
    )
    if not zeros:
        return state
    folds = [
        {
            "type": "Replace",
            "pattern": {"String": chr(ord(zero) + i)},
            "content": str(i),
        }
        for zero in zeros
        for i in range(10)
    ]
    before = [state] if state is not None else []
    return {"type": "Sequence", "normalizers": [*before, *folds]}
