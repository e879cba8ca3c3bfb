"""Vocabulary trimming: a tokenizer without the pieces that some texts never use.

Texts that used only what is kept are split as before, into the same pieces:

- WordPiece takes the longest piece that fits, and Unigram the best sequence of pieces; with
  candidates gone that were not chosen, what was chosen is still the longest, or the best.
  Unigram weighs an unknown character by the lowest score of its vocabulary, so that the
  piece of that score stays.
- BPE merges by rank; merges that make a kept piece, and the pieces they are made of, stay,
  and a merge that took part in nothing can go.

Special and added tokens, bytes of byte-level vocabularies and of byte fallback, and single
characters of the texts always stay. In other texts, words made of pieces that went are split
into shorter ones or, where there are none, become unknown.
"""

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import tokenizers
from flax import nnx

from optical_jax.data import tokenize
from optical_jax.models import retriever as retriever_lib
from optical_jax.models.retriever import Retriever
from optical_jax.models.subwords import renumber

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_WORD = ("encoder", "embeddings", "word", "embedding")
_TEXTS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class Trimmed:
    """A smaller tokenizer; its piece i was piece kept[i] before."""

    tokenizer: tokenizers.Tokenizer
    kept: np.ndarray


def trim(
    tokenizer: tokenizers.Tokenizer,
    texts: Iterable[str],
    *,
    also: Sequence[str] = (),
) -> Trimmed:
    """Return the tokenizer with only the pieces that texts use.

    Args:
        tokenizer: WordPiece, BPE or Unigram.
        texts: Of the language that is kept; read once.
        also: Pieces that stay in any case, such as a skip list; those that the vocabulary
            lacks are passed over.

    Raises:
        ValueError: if the tokenizer is of another kind, or there is no text.
    """
    state = json.loads(tokenizer.to_str())
    kind = state["model"]["type"]
    if kind not in ("WordPiece", "BPE", "Unigram"):
        raise ValueError(
            f"a vocabulary of the kind WordPiece, BPE or Unigram can be trimmed, got {kind}"
        )
    ids = tokenizer.get_vocab(with_added_tokens=True)
    used, letters = _used(tokenizer, texts)
    pieces = {tokenizer.id_to_token(i) for i in used}
    pieces |= {token["content"] for token in state["added_tokens"]}
    pieces |= {piece for piece in also if piece in ids}
    pieces |= {piece for piece in ids if _stays(piece, letters, state)}
    pieces |= _of_the_model(state["model"])
    merges = []
    if kind == "BPE":
        merges = _merges(state["model"], pieces)
        pieces |= {
            part for pair in merges for part in (*pair, _merged(pair, state["model"]))
        }
    # Ids without a piece, if any, close up.
    kept = sorted(ids[piece] for piece in pieces)
    new_ids = {tokenizer.id_to_token(old): new for new, old in enumerate(kept)}
    state["model"] = _smaller(state["model"], new_ids, merges)
    for token in state["added_tokens"]:
        token["id"] = new_ids[token["content"]]
    state["post_processor"] = renumber(state["post_processor"], new_ids)
    state["truncation"] = state["padding"] = None
    made = tokenizers.Tokenizer.from_str(json.dumps(state))
    # The package numbers added tokens by itself.
    if made.get_vocab(with_added_tokens=True) != new_ids:
        raise ValueError(
            "the tokenizer's added tokens stand between its pieces in an order that "
            "cannot be kept; leave the vocabulary as it is"
        )
    return Trimmed(tokenizer=made, kept=np.array(kept))


def apply(retriever: Retriever, texts: Iterable[str]) -> Retriever:
    """Return the retriever without the embedding rows that texts never use.

    Its vectors of these texts are the same, bit for bit.

    Raises:
        ValueError: if the tokenizer cannot be trimmed, or padding would get another id in
            an encoder that counts its positions from that.
    """
    text, head = retriever.text, retriever.head
    made = trim(text.tokenizer, texts, also=head.skiplist)
    pad = made.tokenizer.token_to_id(text.special.pad)
    if retriever.encoder.model_type.startswith("xlm-roberta") and pad != text.pad_id:
        raise ValueError(
            f"XLM-R counts positions from the id of the padding token, {text.pad_id}, which "
            f"would become {pad}; leave the vocabulary as it is"
        )
    encoder = dataclasses.replace(
        retriever.encoder, vocab_size=len(made.kept), **_new_ids(retriever, made)
    )
    flat = {p: leaf[...] for p, leaf in nnx.to_flat_state(retriever.params)}
    flat[_WORD] = jnp.take(flat[_WORD], jnp.asarray(made.kept), axis=0)
    return dataclasses.replace(
        retriever,
        encoder=encoder,
        text=tokenize.TextEncoder(made.tokenizer, head, special=text.special),
        params=retriever_lib.from_values(encoder, head, flat),
    )


def _new_ids(retriever: Retriever, made: Trimmed) -> dict[str, int]:
    """Return the config's fields that are token ids, with their new values."""
    old = retriever.text.tokenizer
    found = {}
    for field in dataclasses.fields(retriever.encoder):
        value = getattr(retriever.encoder, field.name)
        # Decoders may name a padding token that their vocabulary lacks.
        if field.name.endswith("_token_id") and isinstance(value, int):
            token = old.id_to_token(value)
            found[field.name] = made.tokenizer.token_to_id(token) if token else value
    return found


def _used(
    tokenizer: tokenizers.Tokenizer, texts: Iterable[str]
) -> tuple[set[int], set[str]]:
    """Return the ids that texts use, and their characters as the tokenizer sees them."""
    used: set[int] = set()
    letters: set[str] = set()
    batch: list[str] = []

    def take() -> None:
        for encoding in tokenizer.encode_batch(batch):
            used.update(encoding.ids)
        for text in batch:
            letters.update(text)
            if tokenizer.normalizer is not None:
                letters.update(tokenizer.normalizer.normalize_str(text))
        batch.clear()

    for text in texts:
        batch.append(text)
        if len(batch) == _TEXTS_AT_ONCE:
            take()
    take()
    if not letters:
        raise ValueError(
            "a vocabulary is trimmed to texts, got 0; give files that hold any"
        )
    return used, letters


def _stays(piece: str, letters: set[str], state: dict[str, Any]) -> bool:
    """Tell whether a piece is kept that no text used."""
    if _BYTE.fullmatch(piece):
        return True
    spelling = piece.removeprefix("##").removeprefix("▁")
    if len(spelling) != 1:
        return not spelling
    # Byte-level vocabularies spell every byte as some character, of no script in particular.
    return "ByteLevel" in json.dumps(state["pre_tokenizer"]) or spelling in letters


def _of_the_model(model: dict[str, Any]) -> set[str]:
    """Return the pieces that a model itself refers to."""
    if model["type"] == "Unigram":
        lowest = min(model["vocab"], key=lambda item: item[1])[0]
        unknown = model.get("unk_id")
        return {lowest} | (
            {model["vocab"][unknown][0]} if unknown is not None else set()
        )
    return {model["unk_token"]} & model["vocab"].keys()


def _merges(model: dict[str, Any], pieces: set[str]) -> list[list[str]]:
    """Return the merges that make pieces and what these are made of, in their order."""
    every = [
        pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]
    ]
    making: dict[str, list[int]] = {}
    for i, pair in enumerate(every):
        making.setdefault(_merged(pair, model), []).append(i)
    found: set[int] = set()
    todo = list(pieces)
    while todo:
        for i in making.pop(todo.pop(), ()):
            found.add(i)
            todo += every[i]
    return [every[i] for i in sorted(found)]


def _merged(pair: list[str], model: dict[str, Any]) -> str:
    return pair[0] + pair[1].removeprefix(model.get("continuing_subword_prefix") or "")


def _smaller(
    model: dict[str, Any], new_ids: dict[str, int], merges: list[list[str]]
) -> dict[str, Any]:
    if model["type"] == "Unigram":
        vocab = [[piece, score] for piece, score in model["vocab"] if piece in new_ids]
        unknown = model.get("unk_id")
        if unknown is not None:
            unknown = new_ids[model["vocab"][unknown][0]]
        return {**model, "vocab": vocab, "unk_id": unknown}
    vocab = {piece: new_ids[piece] for piece in model["vocab"] if piece in new_ids}
    if model["type"] == "BPE":
        return {**model, "vocab": vocab, "merges": merges}
    return {**model, "vocab": vocab}
