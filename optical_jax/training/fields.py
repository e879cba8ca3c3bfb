"""Which texts go into a batch: what the objective has encoded, and by whom."""

from optical_jax.config import Config
from optical_jax.data import pipeline, teacher_vectors, word_splits
from optical_jax.models import word_parts
from optical_jax.models.retriever import Retriever
from optical_jax.training import switching


def fields_of(
    config: Config,
    names: tuple[str, ...],
    student: Retriever,
    teacher: Retriever | None,
    cached: dict[str, teacher_vectors.TeacherVectors],
) -> dict[str, pipeline.Field]:
    """Return the batch's fields that the objective has encoded of some texts.

    Raises:
        ValueError: if words should be split and no teacher says which pieces are parts, or
            no text has room for them.
    """
    splits = _splits(config, student, teacher) if config.data.split_words else None
    return {
        f"{who}/{name}": pipeline.Field(
            text=(student if who == "student" else teacher).text,
            kind=kind,
            column=switching.column(config, who, name),
            cached=cached.get(name) if who == "teacher" else None,
            splits=splits if who == "student" else None,
        )
        for (who, name), kind in config.objective.kinds().items()
        if name in names
    }


def _splits(
    config: Config, student: Retriever, teacher: Retriever | None
) -> word_splits.WordSplits:
    if teacher is None:
        raise ValueError(
            f"data.split_words must be 0 with objective.mix {config.objective.mix!r}, "
            f"which has no teacher, got {config.data.split_words}"
        )
    if student.head.expansion:
        raise ValueError(
            "data.split_words must be 0 with head.expansion, which fills every query up to "
            f"its length, got {config.data.split_words}"
        )
    ours, theirs = student.text.tokenizer, teacher.text.tokenizer
    return word_splits.WordSplits(
        parts={
            ours.token_to_id(word): [ours.token_to_id(part) for part in parts]
            for word, parts in word_parts.splits(ours, theirs).items()
        },
        probability=config.data.split_words,
        seed=config.seed,
    )
