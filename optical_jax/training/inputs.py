"""From a config to what the loop needs: teacher, student, batches, held-out texts.

Everything slow here is kept on disk under a name made of the content it depends on, and is
found again when the same command runs a second time. Parameters go from their files to their
shards: no device holds an encoder whole. Of several processes each prepares with encoders on
its own devices (`make`) and trains with those on the mesh of all (`on_mesh`).
"""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

import grain
import jax
from jax.sharding import Mesh

from optical_jax.config import Config
from optical_jax.data import pipeline
from optical_jax.models import folder
from optical_jax.models.retriever import Architecture, Retriever
from optical_jax.objectives import mixture, tokens
from optical_jax.training import sharding, switching, validation, workdir
from optical_jax.training import student as student_lib
from optical_jax.training.bitext_stream import BitextStream
from optical_jax.training.progress import Say
from optical_jax.training.ranking_stream import RankingStream


@dataclass(frozen=True)
class Inputs:
    """What the loop needs; teacher is None for objectives without one."""

    student: Retriever
    teacher: Retriever | None
    batches: grain.DatasetIterator
    held_out: validation.HeldOut
    # Examples of one pass over the training data.
    epoch: int


def make(config: Config, run: Path, *, say: Say) -> Inputs:
    """Prepare the data and the encoders of a run.

    Args:
        config: the run.
        run: its folder.
        say: prints a line.

    Raises:
        ValueError: if the objective needs texts or a teacher that the config lacks.
    """
    objective, data = config.objective, config.data
    # Each of several processes prepares alone, where the mesh of all of them is no use.
    several = jax.process_count() > 1
    mesh = sharding.own_mesh() if several else sharding.make_mesh(config.mesh)
    place = functools.partial(sharding.of_state, mesh=mesh)
    teacher = _teacher(config, place) if objective.uses(who="teacher") else None
    bitext = ranking = None
    if data.sources or objective.uses(fields=tokens.BITEXT_FIELDS):
        bitext = BitextStream(config, run, say)
    if objective.uses(fields=tokens.RANKING_FIELDS):
        ranking = RankingStream(config, say)
    switch = switching.make(config, bitext.prepared if bitext else None)
    student = student_lib.start(
        config,
        run,
        lambda: bitext.variants if bitext else [],
        teacher,
        say,
        place=place,
    )
    if teacher is not None:
        check_fit(student, teacher)
    streams = []
    if bitext and objective.uses(fields=tokens.BITEXT_FIELDS):
        streams.append(bitext.stream(student, teacher, switch))
    if ranking:
        streams.append(ranking.stream(student, teacher, switch))
    return Inputs(
        student,
        teacher,
        pipeline.batches(streams),
        bitext.held_out(teacher) if bitext else ranking.held_out(),
        bitext.size if bitext else ranking.size,
    )


def on_mesh(made: Inputs, config: Config, run: Path, mesh: Mesh) -> Inputs:
    """Return the inputs with the encoders on a mesh that several processes make.

    Each reads its own shards from the files. Of one process they lie there already.

    Args:
        made: by `make`; the encoders in it can't be used any more.
        config: the run.
        run: its folder.
        mesh: of all processes.
    """
    if jax.process_count() == 1:
        return made
    place = functools.partial(sharding.of_state, mesh=mesh)
    # One after the other: neither lies anywhere beside itself.
    _delete(made.student)
    student = student_lib.load(run, place=place)
    teacher = made.teacher
    if teacher is not None:
        _delete(teacher)
        teacher = workdir.load_teacher(config, place=place)
    return dataclasses.replace(made, student=student, teacher=teacher)


def _delete(retriever: Retriever) -> None:
    for leaf in jax.tree.leaves(retriever.params):
        leaf.delete()


def _teacher(config: Config, place: folder.Place) -> Retriever:
    teacher = workdir.load_teacher(config, place=place)
    aligning = [name for name in config.objective.parts() if name in mixture.ALIGNING]
    heads = {"teacher": teacher.head, "student": config.student.head or teacher.head}
    for who, head in heads.items():
        if aligning and head.kind != "multi-vector":
            raise ValueError(
                f"objective {aligning[0]!r} aligns tokens, so {who}.head.kind must be "
                f"'multi-vector', got {head.kind!r}; set {who}.head"
            )
    return teacher


def check_fit(
    student: Retriever | Architecture, teacher: Retriever | Architecture
) -> None:
    """Refuse a student whose vectors cannot be compared with its teacher's."""
    if student.width != teacher.width:
        raise ValueError(
            f"the student's vectors must be as wide as the teacher's ({teacher.width}), "
            f"got {student.width}; set student.head.projection to {teacher.width}"
        )
