"""A transplanted vocabulary in an encoder's folder, on the weights of the teacher's."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from optical_jax.data import tokenize
from optical_jax.data.sources import Pair
from optical_jax.models import (
    families,
    folder,
    hf,
    tokenizer_files,
    vocabulary_cache,
    weights,
)
from optical_jax.models.head import HeadConfig
from optical_jax.models.vocabulary import VocabularyConfig

_ID_FIELDS = (
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
    "cls_token_id",
    "sep_token_id",
    "decoder_start_token_id",
)


def transplant(
    teacher_folder: Path,
    out: Path,
    pairs: Sequence[Pair],
    config: VocabularyConfig,
    *,
    seed: int,
    cache: Path,
) -> dict[str, int | float]:
    """Write a Hugging Face encoder folder like the teacher's with a transplanted vocabulary.

    The encoder's tensors but the embedding rows are copied bit for bit. Heads (pooler,
    language model, modules.json, 1_Pooling) are not: they were made for other inputs.
    `cache` is the folder of transplants that were made before.

    Returns:
        The transplant's report.

    Raises:
        FileNotFoundError: if the teacher's folder lacks a file.
        ValueError: if `out` has content, or the tokenizer is of a kind that cannot be
            extended.
    """
    encoder = hf.read_config(teacher_folder)
    settings = json.loads((teacher_folder / "config.json").read_text(encoding="utf-8"))
    tensors, _ = hf.find_tensors(teacher_folder, encoder)
    word = families.word_tensor(encoder)
    if word not in tensors:
        raise ValueError(
            f"{teacher_folder} has no tensor {word!r}; give an encoder's folder"
        )
    old = weights.read(tensors[word])
    teacher = tokenizer_files.read(teacher_folder, rows=len(old))
    made = vocabulary_cache.transplant(
        teacher, old.astype(np.float32), pairs, config, seed=seed, cache=cache
    )
    rows = made.embeddings.astype(old.dtype)
    settings["vocab_size"] = len(rows)
    for field in _ID_FIELDS:
        if isinstance(settings.get(field), int):
            token = teacher.id_to_token(settings[field])
            settings[field] = made.tokenizer.token_to_id(token)
    special = tokenizer_files.read_special_tokens(teacher_folder, made.tokenizer)
    text = tokenize.TextEncoder(made.tokenizer, HeadConfig(), special=special)
    sizes = {name: entry.nbytes for name, entry in tensors.items()}
    with folder.staged(out) as stage:
        (stage / "config.json").write_text(
            json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        weights.write(
            stage,
            sizes | {word: rows.nbytes},
            lambda name: rows if name == word else weights.read(tensors[name]),
        )
        tokenizer_files.write(text, stage, length=encoder.max_length)
    return made.report
