"""Transplanted vocabularies kept on disk: runs on the same bitext make theirs once.

Word alignment and the spellings of names take minutes on a large bitext, and neither an
objective nor its settings change them.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tokenizers
from jaxtyping import Float

from optical_jax.data import staging
from optical_jax.data.sources import Pair
from optical_jax.models import vocabulary
from optical_jax.models.vocabulary import Transplant, VocabularyConfig

# Raised with every change of what a transplant makes of the same bitext, or of a default.
FORMAT = 4


def transplant(
    tokenizer: tokenizers.Tokenizer,
    embeddings: Float[np.ndarray, "v d"],
    pairs: Sequence[Pair],
    config: VocabularyConfig,
    *,
    seed: int,
    cache: Path,
) -> Transplant:
    """Return what `vocabulary.transplant` makes, from the cache where that has it.

    Args:
        tokenizer: The teacher's.
        embeddings: The teacher's, a row per id.
        pairs: Bitext; source is the teacher's language.
        config: What to make.
        seed: Of the random initialisation; others do not depend on it.
        cache: Folder of transplants, a folder each.

    Raises:
        ValueError: naming the folder in the cache if it is damaged.
        OSError: if the disk is full; nothing is left behind.
    """
    if config.initialization != "random":
        seed = 0
    # An option that is new and off changes nothing: what was made before stays good.
    changed = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    }
    digest = hashlib.sha256(json.dumps([FORMAT, seed, changed]).encode())
    digest.update(tokenizer.to_str().encode())
    digest.update(np.ascontiguousarray(embeddings).data)
    for pair in pairs:
        digest.update(json.dumps(pair).encode())
    kept = cache / f"vocabulary-{digest.hexdigest()[:20]}"
    if not kept.is_dir():
        made = vocabulary.transplant(tokenizer, embeddings, pairs, config, seed=seed)
        cache.mkdir(parents=True, exist_ok=True)
        with staging.folder(kept, shared=True) as stage:
            made.tokenizer.save(str(stage / "tokenizer.json"))
            np.save(stage / "embeddings.npy", made.embeddings)
            text = json.dumps(made.report, indent=2) + "\n"
            (stage / "report.json").write_text(text, encoding="utf-8")
    return _read(kept)


def _read(kept: Path) -> Transplant:
    try:
        report = json.loads((kept / "report.json").read_text(encoding="utf-8"))
        tokenizer = tokenizers.Tokenizer.from_file(str(kept / "tokenizer.json"))
        rows = np.load(kept / "embeddings.npy", allow_pickle=False)
    # The library of tokenizers raises bare exceptions.
    except Exception as error:
        raise ValueError(
            f"the vocabulary kept in {kept} is damaged ({error}); delete that folder and "
            "run again"
        ) from error
    if rows.ndim != 2 or len(rows) < tokenizer.get_vocab_size():
        raise ValueError(
            f"the vocabulary kept in {kept} is damaged: embeddings.npy must hold a row for "
            f"each of {tokenizer.get_vocab_size()} pieces, got shape {rows.shape}; delete "
            "that folder and run again"
        )
    return Transplant(tokenizer=tokenizer, embeddings=rows, report=report)
