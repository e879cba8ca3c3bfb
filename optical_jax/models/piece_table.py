"""Pieces put behind those that a tokenizer has, whose ids stay as they are."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import tokenizers


def load(state: Mapping[str, Any]) -> tokenizers.Tokenizer:
    """Return the tokenizer of a tokenizer.json."""
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def add(student: tokenizers.Tokenizer, pieces: Sequence[str]) -> tokenizers.Tokenizer:
    """Return the tokenizer with further pieces; Unigram takes them for its rarest."""
    state = json.loads(student.to_str())
    rarest = 0.0
    if state["model"]["type"] == "Unigram":
        rarest = min(score for _, score in state["model"]["vocab"])
    return load(extended(state, dict.fromkeys(pieces, rarest)))


def extended(state: dict[str, Any], pieces: dict[str, float]) -> dict[str, Any]:
    """Put new pieces, with their scores, behind all of a tokenizer.json's.

    Added tokens are written into the model's vocabulary: those behind its end would
    otherwise be numbered anew, behind the new pieces.
    """
    model = state["model"]
    added = {token["id"]: token["content"] for token in state["added_tokens"]}
    if model["type"] == "Unigram":
        vocab = list(model["vocab"])
        vocab += [[added[i], 0.0] for i in sorted(added) if i >= len(vocab)]
        taken = {piece for piece, _ in vocab}
        vocab += [
            [piece, score] for piece, score in pieces.items() if piece not in taken
        ]
        return {**state, "model": {**model, "vocab": vocab}}
    ids = model["vocab"] | {content: i for i, content in added.items()}
    fresh = [piece for piece in pieces if piece not in ids]
    first = 1 + max(ids.values())
    ids |= {piece: first + i for i, piece in enumerate(fresh)}
    return {**state, "model": {**model, "vocab": ids}}
