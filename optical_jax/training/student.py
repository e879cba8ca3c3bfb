"""The student as a run starts from it: the teacher's layers, its own vocabulary and head."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax

from optical_jax.config import Config
from optical_jax.data.sources import Pair
from optical_jax.models import (
    folder,
    hf,
    layout_reader,
    new_head,
    retriever,
    vocabulary_folder,
)
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Architecture, Retriever
from optical_jax.training.progress import Say

# In the run's.
_FOLDER = "student"


def start(
    config: Config,
    run: Path,
    pairs: Callable[[], list[Pair]],
    teacher: Retriever | None,
    say: Say,
    *,
    place: folder.Place | None = None,
) -> Retriever:
    """Return the student as the run starts from it, made once and kept in the run.

    Args:
        config: the run.
        run: its folder.
        pairs: gives the bitext, for a new vocabulary; not called where none is made.
        teacher: the frozen teacher; None: there is none.
        say: prints a line.
        place: see `folder.load`.
    """
    kept = run / _FOLDER
    if not kept.is_dir():
        student = _made(config, run, pairs, teacher, say, place)
        say(f"student: {retriever.count(student.params) / 1e6:.1f} M parameters")
        folder.save(student, kept)
        # Not held beside what is read back.
        del student
    return load(run, place=place)


def load(run: Path, *, place: folder.Place | None = None) -> Retriever:
    """Load what `start` kept in a run's folder.

    Args:
        run: the folder.
        place: see `folder.load`.
    """
    return folder.load(run / _FOLDER, place=place)


def _made(
    config: Config,
    run: Path,
    pairs: Callable[[], list[Pair]],
    teacher: Retriever | None,
    say: Say,
    place: folder.Place | None,
) -> Retriever:
    origin = hf.resolve(config.student.path or config.teacher.path)
    head = config.student.head or (teacher or folder.load(origin, place=place)).head
    encoder_folder = origin
    if config.student.vocabulary.mode != "keep":
        encoder_folder = run / "vocabulary"
        if not encoder_folder.is_dir():
            report = vocabulary_folder.transplant(
                origin,
                encoder_folder,
                pairs(),
                config.student.vocabulary,
                seed=config.seed,
                cache=Path(config.data.cache_dir).expanduser(),
            )
            say("vocabulary: " + ", ".join(f"{k} {v}" for k, v in report.items()))
    student = new_head.fit(
        folder.load(encoder_folder, head=new_head.bare(head), place=place),
        head,
        key=jax.random.key(config.seed),
        projection=_projection(origin, head, place),
    )
    return with_attention(student, bidirectional=config.student.bidirectional)


def with_attention(
    student: Retriever | Architecture, *, bidirectional: bool | None
) -> Retriever | Architecture:
    """Return the student with another kind of attention, kept in its config.json.

    Raises:
        ValueError: if its family has one kind only.
    """
    if bidirectional is None:
        return student
    if not hasattr(student.encoder, "use_bidirectional_attention"):
        raise ValueError(
            f"student.bidirectional is for decoders, got {bidirectional} with a "
            f"{student.encoder.model_type}, which sees all tokens; leave it out"
        )
    encoder = dataclasses.replace(
        student.encoder, use_bidirectional_attention=bidirectional
    )
    return dataclasses.replace(student, encoder=encoder)


def _projection(
    origin: Path, head: HeadConfig, place: folder.Place | None
) -> dict[str, jax.Array] | None:
    """Return the projection that the folder was trained with, if it has the head's width."""
    if head.projection is None or layout_reader.find_projection(origin) is None:
        return None
    bare = dataclasses.replace(
        new_head.bare(head),
        projection=head.projection,
        projection_bias=head.projection_bias,
    )
    trained = folder.load(origin, head=bare, place=place).params["projection"]
    return {name: leaf[...] for name, leaf in trained.items()}
