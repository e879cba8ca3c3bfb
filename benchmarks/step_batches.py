"""Batches with the lengths of real sentences and random ids, as both sides are given them."""

import math
from pathlib import Path

import numpy as np
import tokenizers

from optical_jax import prepare
from optical_jax.config import DataConfig
from optical_jax.data import sample

# Pieces of the vocabulary that is made where no tokenizer is named.
_PIECES = 8000
_LONGEST = 180
# Pads of a batch that is not sorted, to few shapes.
_MULTIPLE = 8
_FIRST_ID = 5


def sentences(bitext: str | None) -> list[tuple[str, str]]:
    """Return the pairs of a bitext, named as `prepare.open_bitext` takes it, or the sample's."""
    if bitext is None:
        return [(s.english, s.invented) for s in sample.generate(triples=1).bitext]
    pairs = prepare.open_bitext(bitext).pairs("train")
    return [(pair.source, pair.target) for pair in pairs]


def lengths(
    pairs: list[tuple[str, str]], tokenizer: Path | None, *, count: int, seed: int
) -> np.ndarray:
    """Draw pairs and count their tokens with [CLS] and [SEP], [count 2].

    Args:
        pairs: source and target.
        tokenizer: a tokenizer.json, or a folder with one; None: a WordPiece vocabulary is
            made of the pairs.
        count: of pairs.
        seed: of the draw.
    """
    if tokenizer is None:
        made = tokenizers.BertWordPieceTokenizer()
        texts = [text for pair in pairs for text in pair]
        made.train_from_iterator(texts, vocab_size=_PIECES, show_progress=False)
    else:
        file = tokenizer / "tokenizer.json" if tokenizer.is_dir() else tokenizer
        made = tokenizers.Tokenizer.from_file(str(file))
        made.no_padding()
        made.no_truncation()
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(pairs), count, replace=len(pairs) < count)
    rows = [
        [len(made.encode(text, add_special_tokens=False).ids) + 2 for text in pairs[i]]
        for i in drawn
    ]
    return np.minimum(np.array(rows), _LONGEST)


def make(
    found: np.ndarray, data: DataConfig, *, batches: int, vocabulary: int, seed: int
) -> dict[str, list[dict[str, np.ndarray]]]:
    """Return some batches of a window of lengths [window * batch_size, 2], two ways.

    "sorted": as `data.pipeline` makes them, of similar length, padded to a bucket. "drawn": in
    the order that they were drawn in, padded to the longest text. Both hold as many pairs.
    """
    size = data.batch_size
    order = np.argsort(found.max(axis=1), kind="stable").reshape(-1, size)
    # Evenly from short to long.
    some = np.linspace(0, len(order) - 1, batches).round().astype(int)
    bucket = lambda n: next((b for b in data.buckets if b >= n), n)
    multiple = lambda n: _MULTIPLE * math.ceil(n / _MULTIPLE)
    rng = np.random.default_rng(seed)
    rows = {
        "sorted": [(found[order[i]], bucket) for i in some],
        "drawn": [(found[i * size : (i + 1) * size], multiple) for i in range(batches)],
    }
    return {
        name: [
            _batch(rng, part, padded(int(part.max())), vocabulary)
            for part, padded in each
        ]
        for name, each in rows.items()
    }


def _batch(
    rng: np.random.Generator, found: np.ndarray, length: int, vocabulary: int
) -> dict[str, np.ndarray]:
    batch = {}
    for side, real in zip(("source", "target"), found.T, strict=True):
        mask = np.arange(length) < real[:, None]
        ids = rng.integers(_FIRST_ID, vocabulary, mask.shape) * mask
        batch |= {f"{side}_ids": ids.astype(np.int32), f"{side}_mask": mask}
    return batch


def write(batches: dict[str, list[dict[str, np.ndarray]]], folder: Path) -> None:
    """Write sorted.npz and drawn.npz: arrays "I/source_ids" of batch I."""
    for name, each in batches.items():
        np.savez(
            folder / f"{name}.npz",
            **{f"{i}/{k}": v for i, batch in enumerate(each) for k, v in batch.items()},
        )


def read(file: Path) -> list[dict[str, np.ndarray]]:
    """Read what `write` wrote."""
    batches: dict[int, dict[str, np.ndarray]] = {}
    with np.load(file, allow_pickle=False) as stored:
        for name in stored.files:
            i, key = name.split("/")
            batches.setdefault(int(i), {})[key] = stored[name]
    return [batches[i] for i in range(len(batches))]
