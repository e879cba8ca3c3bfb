"""What a run's step is given, as shapes: encoders without weights, batches without texts."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from optical_jax.config import Config
from optical_jax.models import families, hf, layout_reader, tokenizer_files
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Architecture
from optical_jax.objectives import tokens
from optical_jax.training import inputs
from optical_jax.training import student as student_lib

Batch = dict[str, dict[str, jax.ShapeDtypeStruct]]


class Encoders(NamedTuple):
    """The architectures of a run; teacher is None for objectives without one."""

    student: Architecture
    teacher: Architecture | None


def encoders(config: Config) -> Encoders:
    """Return the architectures of a run, weights never read.

    teacher.path and student.path may name a config.json alone. Of a new vocabulary the
    rows are counted as if every piece asked for were new: no fewer than the run will have.

    Raises:
        FileNotFoundError: if there is no such encoder.
        ValueError: if an encoder's head is not known, or student and teacher do not fit.
    """
    teacher = None
    if config.objective.uses(who="teacher"):
        teacher = _read(config.teacher.path, config.teacher.head, who="teacher")
    head = config.student.head or (teacher.head if teacher else None)
    path = config.student.path or config.teacher.path
    student = _read(path, head, who="student")
    rows = _rows(config, student.encoder.vocab_size)
    student = dataclasses.replace(
        student, encoder=dataclasses.replace(student.encoder, vocab_size=rows)
    )
    student = student_lib.with_attention(
        student, bidirectional=config.student.bidirectional
    )
    if teacher is not None:
        inputs.check_fit(student, teacher)
    return Encoders(student, teacher)


def batch(config: Config, found: Encoders, *, length: int | None = None) -> Batch:
    """Return the shapes of a batch, over all hosts.

    Args:
        config: the run.
        found: its architectures.
        length: padded length of the texts; None: the longest that the heads allow.

    Raises:
        ValueError: if the objective needs arrays whose sizes the data decides.
    """
    objective, data = config.objective, config.data
    beside = {n for names in objective.extras().values() for n in names}
    beside -= tokens.WEIGHED
    if objective.uses(fields=(tokens.PASSAGE_FIELD,)) or beside - {"idf"}:
        raise ValueError(
            f"objective.mix {objective.mix!r} takes arrays whose sizes come from the data "
            "(passages, links); plan the run without that objective"
        )
    longest = {}
    for (who, field), kind in objective.kinds().items():
        head = (found.student if who == "student" else found.teacher).head
        most = head.query_length if kind == "query" else head.document_length
        longest[who, field] = most
    top = max(longest.values())
    bucket = length or next((b for b in data.buckets if b >= top), top)
    made = {}
    for (who, field), most in longest.items():
        cached = data.cache_teacher and (who, field) == ("teacher", "source")
        texts = (1 + data.negatives,) if field == "document" and data.negatives else ()
        shape = (data.batch_size, *texts, most if cached else min(bucket, most))
        values = {name: _array(shape, bool) for name in ("mask", "scored")}
        if cached:
            width = found.teacher.width
            values["vectors"] = _array((*shape, width), jnp.float16)
            for name in objective.extras().get(f"{who}/{field}", ()):
                values[name] = _array(shape, jnp.float16)
        else:
            values["ids"] = _array(shape, jnp.int32)
        if "idf" in objective.extras().get(f"{who}/{field}", ()):
            values["idf"] = _array(shape, jnp.float32)
        if "ranking-scores" in objective.parts() and field == "document":
            scores = (data.batch_size, 1 + data.negatives)
            values["scores"] = _array(scores, jnp.float32)
        made[f"{who}/{field}"] = values
    return made


def _read(path: str, head: HeadConfig | None, *, who: str) -> Architecture:
    if not path:
        raise ValueError(
            f"{who}.path must name an encoder's folder, hub id or config.json, got ''"
        )
    if path.endswith(".json"):
        file = Path(path)
        if not file.is_file():
            raise FileNotFoundError(f"{who}.path: there is no file {path}")
        try:
            encoder = families.parse(json.loads(file.read_text(encoding="utf-8")))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if head is None:
            raise ValueError(
                f"{who}.head must be given where {who}.path is a config.json, which has "
                "no head; got None"
            )
        return Architecture(encoder, head)
    folder = hf.resolve(path)
    encoder = hf.read_config(folder)
    if head is None:
        tokenizer = tokenizer_files.read(folder, rows=encoder.vocab_size)
        head = layout_reader.read(folder, tokenizer).head
    return Architecture(encoder, head)


def _rows(config: Config, rows: int) -> int:
    vocabulary = config.student.vocabulary
    if vocabulary.mode in ("keep", "trim"):  # what is trimmed is known from texts alone
        return rows
    rows = vocabulary.size + (rows if vocabulary.mode == "extend" else 0)
    rows += vocabulary.spelled_names
    return -(-rows // vocabulary.row_multiple) * vocabulary.row_multiple


def _array(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:  # noqa: ANN401
    return jax.ShapeDtypeStruct(shape, dtype)
