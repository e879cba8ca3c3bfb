"""Which texts go into a batch: what the objective has encoded, and by whom."""

from optical_jax.config import Config
from optical_jax.data import pipeline, teacher_vectors
from optical_jax.models.retriever import Retriever
from optical_jax.training import switching


def fields_of(
    config: Config,
    names: tuple[str, ...],
    student: Retriever,
    teacher: Retriever | None,
    cached: dict[str, teacher_vectors.TeacherVectors],
) -> dict[str, pipeline.Field]:
    """Return the batch's fields that the objective has encoded of some texts."""
    return {
        f"{who}/{name}": pipeline.Field(
            text=(student if who == "student" else teacher).text,
            kind=kind,
            column=switching.column(config, who, name),
            cached=cached.get(name) if who == "teacher" else None,
        )
        for (who, name), kind in config.objective.kinds().items()
        if name in names
    }
