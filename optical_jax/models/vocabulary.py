"""Vocabulary transplant: give a teacher's encoder the pieces of another language.

The transformer layers stay as they are. The vocabulary is extended (names go on splitting
as the teacher splits them) or replaced, and new embedding rows start near the
teacher's rows for what the pieces mean.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors.numpy
import tokenizers
from jaxtyping import Float

from optical_jax.data import tokenize
from optical_jax.data.sources import Pair
from optical_jax.models import folder, hf, initialization, subwords, tokenizer_files
from optical_jax.models.head import HeadConfig

_ROWS = "embeddings.word_embeddings.weight"
_ID_FIELDS = ("pad_token_id", "bos_token_id", "eos_token_id")


@dataclass(frozen=True, kw_only=True)
class VocabularyConfig:
    """Say which pieces a student's vocabulary has and how their rows start."""

    # "keep" the teacher's vocabulary as it is; "extend" it; "replace" it but for the
    # special tokens (for scripts that the teacher never saw).
    mode: Literal["keep", "extend", "replace"] = "extend"
    # Pieces trained on the student's language; those the teacher has are not added twice.
    size: int = 12_000
    # Rarer pieces are left out.
    min_frequency: int = 2
    # "alignment": translations by word alignment of the bitext, else spelling, else the
    # mean row. "spelling": without translations. "random": noise like the teacher's rows.
    initialization: Literal["alignment", "spelling", "random"] = "alignment"

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("size", "min_frequency"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"vocabulary.{name} must be at least 1, got {getattr(self, name)}"
                )


@dataclass(frozen=True, kw_only=True)
class Transplant:
    """A tokenizer, the embedding rows that belong to it, and counts of both."""

    tokenizer: tokenizers.Tokenizer
    embeddings: Float[np.ndarray, "v d"]
    report: dict[str, int | float]


def transplant(
    tokenizer: tokenizers.Tokenizer,
    embeddings: Float[np.ndarray, "v d"],
    pairs: Sequence[Pair],
    config: VocabularyConfig,
    *,
    seed: int,
) -> Transplant:
    """Make the student's tokenizer and embedding rows from the teacher's and bitext.

    Pieces that the student shares with the teacher under `extend` keep the teacher's
    row. WordPiece takes the longest piece that fits, so that some of the teacher's own
    words split otherwise once pieces are added; `names_resplit` in the report is the
    share of words standing on both sides of a pair that do.

    Args:
        tokenizer: The teacher's.
        embeddings: The teacher's, a row per id.
        pairs: Bitext; source is the teacher's language.
        config: What to make.
        seed: Of the random initialisation.

    Returns:
        The transplant. Its report has `kept` (teacher's rows), `added` (new rows, of
        which `aligned`, `spelled`, `mean` by their origin), and shares of the target's
        words before and after.
    """
    if config.mode == "keep":
        return Transplant(
            tokenizer=tokenizer,
            embeddings=embeddings,
            report={"kept": len(embeddings), "added": 0},
        )
    if not pairs:
        raise ValueError("a vocabulary is trained on bitext, got 0 pairs")
    student = subwords.train(
        tokenizer,
        [pair.target for pair in pairs],
        size=config.size,
        min_frequency=config.min_frequency,
        replace=config.mode == "replace",
    )
    rows, report = _rows(tokenizer, student, embeddings, pairs, config, seed=seed)
    report |= _coverage(tokenizer, student, pairs)
    return Transplant(tokenizer=student, embeddings=rows, report=report)


def _rows(
    teacher: tokenizers.Tokenizer,
    student: tokenizers.Tokenizer,
    embeddings: Float[np.ndarray, "v d"],
    pairs: Sequence[Pair],
    config: VocabularyConfig,
    *,
    seed: int,
) -> tuple[Float[np.ndarray, "w d"], dict[str, int | float]]:
    names = student.get_vocab(with_added_tokens=True)
    if config.mode == "extend":
        size = max(len(embeddings), 1 + max(names.values()))
        rows = np.zeros((size, embeddings.shape[1]), np.float32)
        rows[: len(embeddings)] = embeddings
        taken = teacher.get_vocab(with_added_tokens=True)
    else:
        taken = {t.content: i for i, t in teacher.get_added_tokens_decoder().items()}
        rows = np.zeros((1 + max(names.values()), embeddings.shape[1]), np.float32)
        for name, old in taken.items():
            rows[names[name]] = embeddings[old]
    fresh = sorted((i, piece) for piece, i in names.items() if piece not in taken)
    pieces = [piece for _, piece in fresh]
    if config.initialization == "alignment":
        made = initialization.from_alignment(
            pieces, teacher=teacher, student=student, embeddings=embeddings, pairs=pairs
        )
    elif config.initialization == "spelling":
        made = initialization.from_spelling(
            pieces, teacher=teacher, embeddings=embeddings
        )
    else:
        made = initialization.from_noise(pieces, embeddings=embeddings, seed=seed)
    rows[[i for i, _ in fresh]] = made.values
    kept = len(rows) - len(fresh)
    return rows, {"kept": kept, "added": len(fresh), **made.counts}


def _coverage(
    teacher: tokenizers.Tokenizer,
    student: tokenizers.Tokenizer,
    pairs: Sequence[Pair],
) -> dict[str, int | float]:
    """Return how the target's words split under both tokenizers, and shared words."""
    report = {}
    targets = [pair.target for pair in pairs]
    for name, tokenizer in (("before", teacher), ("after", student)):
        encodings = tokenizer.encode_batch(targets, add_special_tokens=False)
        pieces = sum(len(e.ids) for e in encodings)
        total = sum(len(set(e.word_ids)) for e in encodings)
        unknown = {tokenizer.token_to_id(t) for t in ("[UNK]", "<unk>")}
        lost = sum(i in unknown for e in encodings for i in e.ids)
        report[f"pieces_per_word_{name}"] = round(pieces / max(total, 1), 3)
        report[f"unknown_{name}"] = round(lost / max(pieces, 1), 4)
    shared: set[str] = set()
    for pair in pairs:
        shared |= set(pair.source.split()) & set(pair.target.split())
    ours = [e.tokens for e in student.encode_batch(sorted(shared))]
    theirs = [e.tokens for e in teacher.encode_batch(sorted(shared))]
    changed = sum(a != b for a, b in zip(ours, theirs, strict=True))
    report["names_resplit"] = round(changed / max(len(shared), 1), 4)
    return report


def transplant_folder(
    teacher_folder: Path,
    out: Path,
    pairs: Sequence[Pair],
    config: VocabularyConfig,
    *,
    seed: int,
) -> dict[str, int | float]:
    """Write a Hugging Face encoder folder like the teacher's with a transplanted vocabulary.

    All tensors but the embedding rows are copied bit for bit. The teacher's head
    (modules.json, 1_Pooling) is not: it was made for other inputs.

    Returns:
        The transplant's report.

    Raises:
        FileNotFoundError: if the teacher's folder lacks a file.
        ValueError: if `out` has content, or the tokenizer is of a kind that cannot be
            extended.
    """
    config_fields = hf.read_config(teacher_folder)
    settings = json.loads((teacher_folder / "config.json").read_text(encoding="utf-8"))
    tensors = _read_weights(teacher_folder)
    key = next(name for name in tensors if name.endswith(_ROWS))
    old = tensors[key]
    teacher = tokenizer_files.read(teacher_folder, rows=len(old))
    made = transplant(teacher, old.astype(np.float32), pairs, config, seed=seed)
    tensors[key] = made.embeddings.astype(old.dtype)
    settings["vocab_size"] = len(made.embeddings)
    for field in _ID_FIELDS:
        if settings.get(field) is not None:
            token = teacher.id_to_token(settings[field])
            settings[field] = made.tokenizer.token_to_id(token)
    special = tokenizer_files.read_special_tokens(teacher_folder, made.tokenizer)
    text = tokenize.TextEncoder(made.tokenizer, HeadConfig(), special=special)
    with folder.staged(out) as stage:
        (stage / "config.json").write_text(
            json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        safetensors.numpy.save_file(
            tensors, stage / "model.safetensors", metadata={"format": "pt"}
        )
        tokenizer_files.write(text, stage, length=config_fields.max_length)
    return made.report


def _read_weights(path: Path) -> dict[str, np.ndarray]:
    weights = path / "model.safetensors"
    if not weights.is_file():
        raise FileNotFoundError(
            f"{path} has no model.safetensors; a vocabulary is transplanted onto weights "
            "in one such file (a .bin is a pickle and never loaded)"
        )
    tensors = hf.read_tensors(weights)
    if not any(name.endswith(_ROWS) for name in tensors):
        raise ValueError(f"{weights} has no tensor {_ROWS!r}; give an encoder's folder")
    return tensors
