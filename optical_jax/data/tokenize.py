"""Texts to token ids with the head's markers, lengths, expansion and skip list.

ColBERT's conventions (arXiv 2004.12832): the marker is inserted after the first token once
the text is tokenised, so that no tokenizer can split it; text is cut, markers never are.
The first token is [CLS] or <s>. Where the tokenizer puts nothing before a text (T5, some
decoders) the marker comes first, as in sentence-transformers 6; PyLate 1.6 puts it behind
the text's first token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tokenizers

from optical_jax.models.head import HeadConfig


class Encoded(NamedTuple):
    """One text: ids [l], which of them others attend to [l], which are scored [l]."""

    ids: np.ndarray
    attended: np.ndarray
    scored: np.ndarray


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """The tokens that stand for no text, by their spelling.

    A vocabulary without a mask token expands queries with its end of text, as PyLate does.
    """

    pad: str = "[PAD]"
    mask: str | None = "[MASK]"
    unknown: str | None = "[UNK]"


class TextEncoder:
    """A tokenizer and a head's settings: queries and documents to `Encoded`."""

    def __init__(
        self,
        tokenizer: tokenizers.Tokenizer,
        head: HeadConfig,
        *,
        special: SpecialTokens | None = None,
    ):
        """Look every special token up once.

        Raises:
            ValueError: if a marker or the mask token that the head needs is not in the
                vocabulary.
        """
        self.tokenizer = tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.head = head
        self.special = special or SpecialTokens()
        self.pad_id = self._id(self.special.pad, "padding")
        self._before, self._behind = (len(tokens) for tokens in ends(tokenizer))
        if head.expansion and self.special.mask is None:
            raise ValueError(
                "head.expansion needs a mask token, which the tokenizer does not name; set "
                "head.expansion to False, or mask_token in tokenizer_config.json"
            )
        self._mask_id = (
            self._id(self.special.mask, "head.expansion") if head.expansion else None
        )
        self._query_marker = self._id(head.query_marker, "head.query_marker")
        self._document_marker = self._id(head.document_marker, "head.document_marker")
        ids = (tokenizer.token_to_id(word) for word in head.skiplist)
        self._skipped = np.array(sorted({i for i in ids if i is not None}), np.int32)

    def _id(self, token: str | None, purpose: str) -> int | None:
        if token is None:
            return None
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(
                f"{purpose} needs the token {token!r}, which the vocabulary of "
                f"{self.tokenizer.get_vocab_size()} tokens does not hold; add it as a "
                "token of its own or set the field to None"
            )
        return found

    def queries(self, texts: Sequence[str]) -> list[Encoded]:
        """Encode queries, expanded with mask tokens where the head says so."""
        head = self.head
        length, marker = head.query_length, self._query_marker
        rows = self._rows([head.query_prompt + t for t in texts], length, marker)
        return [self._query(row) for row in rows]

    def _query(self, ids: np.ndarray) -> Encoded:
        if self._mask_id is None:
            scored = self._first_unscored(np.ones(len(ids), bool))
            return Encoded(ids, np.ones(len(ids), bool), scored)
        added = self.head.query_length - len(ids)
        attended = np.ones(self.head.query_length, bool)
        if not self.head.attend_to_expansion:
            attended[len(ids) :] = False
        ids = np.concatenate([ids, np.full(added, self._mask_id, np.int32)])
        return Encoded(ids, attended, self._first_unscored(np.ones(len(ids), bool)))

    def _first_unscored(self, scored: np.ndarray) -> np.ndarray:
        if self.head.skip_first:
            scored[:1] = False
        return scored

    def documents(self, texts: Sequence[str]) -> list[Encoded]:
        """Encode documents; tokens of the skip list are not scored."""
        length, marker = self.head.document_length, self._document_marker
        prompted = [self.head.document_prompt + t for t in texts]
        return [
            Encoded(
                ids,
                np.ones(len(ids), bool),
                self._first_unscored(~np.isin(ids, self._skipped)),
            )
            for ids in self._rows(prompted, length, marker)
        ]

    def query_places(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return [l 2] for each text: token i of `queries` is text[begin:end].

        Tokens that stand for no text have begin = end: markers, prompt, [CLS], [MASK].
        """
        head, nowhere = self.head, (0, 0)
        marker = nowhere if self._query_marker is not None else None
        places, start = [], len(head.query_prompt)
        prompted = [head.query_prompt + t for t in texts]
        for encoding in self.tokenizer.encode_batch(prompted):
            row = [
                nowhere
                if special or place[1] <= start
                else (max(place[0] - start, 0), place[1] - start)
                for place, special in zip(
                    encoding.offsets, encoding.special_tokens_mask, strict=True
                )
            ]
            row = self._framed(row, head.query_length, marker)
            if self._mask_id is not None:
                row = row + [nowhere] * (head.query_length - len(row))
            places.append(np.array(row, np.int32).reshape(-1, 2))
        return places

    def _rows(
        self, texts: Sequence[str], length: int, marker: int | None
    ) -> list[np.ndarray]:
        return [
            np.array(self._framed(encoding.ids, length, marker), np.int32)
            for encoding in self.tokenizer.encode_batch(list(texts))
        ]

    def _framed(
        self,
        row: list[Any],
        length: int,
        marker: Any,  # noqa: ANN401
    ) -> list[Any]:
        """Cut a row to a length, what stands behind a text kept, and insert the marker."""
        room = length - (marker is not None)
        if len(row) > room:
            row = row[: room - self._behind] + row[len(row) - self._behind :]
        first = min(self._before, 1)
        return row if marker is None else [*row[:first], marker, *row[first:]]

    def tokens(self, ids: Sequence[int] | np.ndarray) -> list[str]:
        """Spell ids as the vocabulary does."""
        return [self.tokenizer.id_to_token(int(i)) or "" for i in ids]


def ends(tokenizer: tokenizers.Tokenizer) -> tuple[list[str], list[str]]:
    """Return the tokens that the tokenizer puts before a text and behind it."""
    encoding = tokenizer.encode("a")
    own = encoding.special_tokens_mask
    before = own.index(0) if 0 in own else 0
    behind = own[::-1].index(0) if 0 in own else 0
    tokens = encoding.tokens
    return tokens[:before], tokens[len(tokens) - behind :]


def pad(
    encoded: Sequence[Encoded], length: int, *, pad_id: int
) -> dict[str, np.ndarray]:
    """Stack texts to [b, length]: ids int32, mask (attended) and scored bool.

    Raises:
        ValueError: if a text is longer than length.
    """
    longest = max((len(row.ids) for row in encoded), default=0)
    if longest > length:
        raise ValueError(f"length must be at least {longest} tokens, got {length}")
    ids = np.full((len(encoded), length), pad_id, np.int32)
    mask = np.zeros((len(encoded), length), bool)
    scored = np.zeros((len(encoded), length), bool)
    for i, row in enumerate(encoded):
        ids[i, : len(row.ids)] = row.ids
        mask[i, : len(row.ids)] = row.attended
        scored[i, : len(row.ids)] = row.scored
    return {"ids": ids, "mask": mask, "scored": scored}
