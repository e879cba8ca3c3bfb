"""Marks behind the words of a WordPiece tokenizer, so that new words match only whole words.

WordPiece takes the longest piece that fits, and a piece that begins a word may go on: the
Kinyarwanda word "kaga", once it is a piece, makes "kaga ##me" of the name that the teacher's
documents hold as "ka ##game". With a mark behind every word, "kaga⊣" fits the word alone. The
teacher's pieces are there twice, with the mark and without, so that all other words split as
the teacher splits them.
"""

import unicodedata
from typing import Any

# No letter, and no punctuation, which BERT takes for a word of its own.
END = "⊣"
_BEHIND_WORDS = r"(?<=[\p{L}\p{M}\p{N}])(?![\p{L}\p{M}\p{N}])"


def marked(state: dict[str, Any]) -> dict[str, Any]:
    """Return a tokenizer.json whose normaliser puts a mark behind every word."""
    mark = {"type": "Replace", "pattern": {"Regex": _BEHIND_WORDS}, "content": END}
    before = [state["normalizer"]] if state["normalizer"] else []
    normalizer = {"type": "Sequence", "normalizers": [*before, mark]}
    return {**state, "normalizer": normalizer}


def last_pieces(state: dict[str, Any]) -> list[str]:
    """Return the pieces of a tokenizer.json as the last ones of a word, in their order."""
    vocabulary = state["model"]["vocab"]
    special = {token["content"] for token in state["added_tokens"]}
    return [
        piece + END
        for piece in sorted(vocabulary, key=vocabulary.__getitem__)
        if piece not in special and not _unused(piece) and _ends_words(piece)
    ]


def bare(piece: str) -> str:
    """Return a piece without the mark."""
    return piece.removesuffix(END)


def spelling(piece: str) -> str:
    """Return the letters of a piece, without what marks its place in a word."""
    return bare(piece.removeprefix("##").removeprefix("▁"))


def _ends_words(piece: str) -> bool:
    return unicodedata.category(piece[-1])[0] in "LMN"


def _unused(piece: str) -> bool:
    return piece.startswith("[unused")
