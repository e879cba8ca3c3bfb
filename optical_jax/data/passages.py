"""Unlabelled passages in the teacher's language: read, and drawn for each batch.

Teacher scores over them are what the objective "scores" distils. A batch's passages are
shared by all of its pairs: each pair brings some that are near to its own sentence, and for
the other pairs those are as good as random.
"""

import heapq
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np

from optical_jax.data import beir, textfile, texts
from optical_jax.data.texts import TextSource
from optical_jax.retrieval.encode import TokenVectors


@dataclass(frozen=True, kw_only=True)
class PassagesConfig:
    """Texts that the teacher scores sentences over; nothing is known about them."""

    # A collection's folder (BEIR, MS MARCO), JSON lines with "text", "id<tab>text" lines
    # (.tsv) or one passage a line, relative to data.root; empty: the bitext's own sentences.
    path: str = ""
    # Whether a passage with a title starts with it.
    titles: bool = True
    # Passages that are kept, drawn at random; the teacher's vectors of all are on disk.
    limit: int = 20_000
    # Tokens that passages are cut to.
    length: int = 96
    # Passages that each pair brings into its batch: the first is one of its nearest, the
    # others are random.
    per_pair: int = 1
    # How many count as near; 0: all passages are random.
    nearest: int = 32
    # What finds them: the mean of the teacher's vectors, or shared words.
    mining: Literal["teacher", "bm25"] = "teacher"

    def __post_init__(self) -> None:
        """Check ranges before any long work."""
        for name, least in (
            ("limit", 2),
            ("length", 4),
            ("per_pair", 1),
            ("nearest", 0),
        ):
            if getattr(self, name) < least:
                raise ValueError(
                    f"data.passages.{name} must be at least {least}, got "
                    f"{getattr(self, name)}"
                )


def read(config: PassagesConfig, *, root: Path, seed: int) -> list[str]:
    """Read passages, at most `config.limit` of different texts, chosen by hash.

    The file is read as a stream: of a large one, what is kept alone is held.

    Raises:
        FileNotFoundError: if there is no such file, or the folder is no collection.
        ValueError: naming a malformed line, or if fewer than two passages have text.
    """
    path = root / Path(config.path).expanduser()
    source = _source(path, titles=config.titles)
    return choose(texts.stream(source, root=Path()), config, seed=seed, where=path)


def choose(
    stream: Iterator[str], config: PassagesConfig, *, seed: int, where: object
) -> list[str]:
    """Return at most `config.limit` different texts of a stream, chosen by hash."""

    def order(text: str) -> bytes:
        return sha256(f"{seed} {textfile.match_key(text)}".encode()).digest()

    kept: dict[bytes, str] = {}
    normalized = map(textfile.normalize, stream)
    for text in heapq.nsmallest(config.limit, filter(None, normalized), key=order):
        kept.setdefault(order(text), text)
    if len(kept) < 2:
        raise ValueError(
            f"data.passages must be at least two different texts, got {len(kept)} in "
            f"{where}"
        )
    return list(kept.values())


def _source(path: Path, *, titles: bool) -> TextSource:
    """Say how to read a file, or the documents of a collection's folder."""
    if path.is_dir():
        found = beir.first(path, "corpus.jsonl*") or beir.first(path, "collection.tsv*")
        if found is None:
            raise FileNotFoundError(
                f"data.passages: {path} is no collection: it has neither corpus.jsonl "
                "(BEIR) nor collection.tsv (MS MARCO)"
            )
        path = found
    if ".jsonl" in path.suffixes:
        return TextSource(path=str(path), format="jsonl", titles=titles)
    if ".tsv" in path.suffixes:
        return TextSource(path=str(path), format="tsv", column=1)
    return TextSource(path=str(path))


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Draws the passages of a batch; a function of its pairs, so that runs repeat."""

    # The teacher's vectors of every passage.
    vectors: TokenVectors
    # Pair -> passages near to it, [pairs k]; -1 where there are fewer.
    nearest: np.ndarray
    per_pair: int
    seed: int

    def positions(self, pairs: np.ndarray) -> np.ndarray:
        """Return which passages some pairs bring, [pairs per_pair]."""
        rng = np.random.default_rng((self.seed, zlib.crc32(pairs.tobytes())))
        drawn = rng.integers(len(self.vectors), size=(len(pairs), self.per_pair))
        if self.nearest.shape[1]:
            place = rng.integers(self.nearest.shape[1], size=len(pairs))
            near = self.nearest[pairs, place]
            drawn[:, 0] = np.where(near >= 0, near, drawn[:, 0])
        return drawn

    def __call__(self, rows: Any, own: np.ndarray) -> dict[str, np.ndarray]:  # noqa: ANN401
        """Return vectors float16 [d l p], mask and scored [d l] of a batch's passages.

        Args:
            rows: the whole batch's: what it draws is the same on any number of hosts.
            own: numbers of the rows whose passages are returned.
        """
        pairs = np.array([index for index, _ in rows], np.int64)
        positions = self.positions(pairs)[own].ravel()
        lengths = self.vectors.lengths
        longest = int(lengths.max())
        width = self.vectors.vectors.shape[1]
        vectors = np.zeros((len(positions), longest, width), np.float16)
        for row, i in zip(vectors, positions.tolist(), strict=True):
            row[: lengths[i]] = self.vectors[i]
        mask = np.arange(longest) < lengths[positions, None]
        return {"vectors": vectors, "mask": mask, "scored": mask}
