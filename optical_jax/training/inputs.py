"""From a config to what the loop needs: teacher, student, batches, held-out texts.

Everything slow here is kept on disk under a name made of the content it depends on, and is
found again when the same command runs a second time.
"""

import dataclasses
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grain
import jax
import numpy as np

from optical_jax import prepare
from optical_jax.config import Config
from optical_jax.data import pipeline, teacher_vectors, triples
from optical_jax.data.sources import Pair
from optical_jax.models import folder, hf, layout, new_head, retriever, vocabulary
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Retriever
from optical_jax.objectives.contrastive import ContrastiveConfig
from optical_jax.retrieval import encode
from optical_jax.training import validation, workdir

Say = Callable[[str], None]


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
    """
    if isinstance(config.objective, ContrastiveConfig):
        return _retrieval_training(config, run, say)
    return _distillation(config, run, say)


def _distillation(config: Config, run: Path, say: Say) -> Inputs:
    data = config.data
    teacher = workdir.load_teacher(config)
    if teacher.head.kind != "multi-vector":
        raise ValueError(
            "objective 'transport' aligns tokens, so teacher.head.kind must be "
            f"'multi-vector', got {teacher.head.kind!r}; set teacher.head"
        )
    prepared = prepare.prepare_bitext(config)
    workdir.write_report(run, prepared.report)
    train, held_out = prepared.split("train"), prepared.split("validation")
    rows = train[:]
    say(f"bitext: {len(train)} pairs to train on, {len(held_out)} held out")
    student = _student(
        config, run, [Pair(r["source"], r["target"]) for r in rows], teacher, say
    )
    cached = None
    if data.cache_teacher:
        cached = teacher_vectors.compute(
            teacher,
            [row["source"] for row in rows],
            cache_dir=Path(data.cache_dir).expanduser(),
            on_progress=lambda n, total: say(f"teacher vectors: {n} of {total}"),
        )
    weights = {source.name: source.weight for source in data.sources}
    fields = {
        "target": pipeline.Field(text=student.text, kind="query"),
        "source": pipeline.Field(text=teacher.text, kind="query", cached=cached),
    }
    batches = pipeline.batches(
        pipeline.BitextExamples(train),
        groups=[(i, weights[name]) for name, i in prepared.origins("train").items()],
        fields=fields,
        batch_size=data.batch_size,
        window=data.window,
        buckets=data.buckets,
        seed=config.seed,
    )
    pairs = held_out[:]
    sources = [row["source"] for row in pairs]
    return Inputs(
        student,
        teacher,
        batches,
        validation.HeldOut(
            [row["target"] for row in pairs],
            sources,
            vectors=encode.encode_queries(teacher, sources),
        ),
        len(train),
    )


def _retrieval_training(config: Config, run: Path, say: Say) -> Inputs:
    data = config.data
    examples = triples.read(Path(data.triples), negatives=data.negatives)
    held, kept = _hold_out(examples, config)
    say(f"triples: {len(kept)} to train on, {len(held)} held out")
    student = _student(config, run, [], None, say)
    fields = {
        "query": pipeline.Field(text=student.text, kind="query"),
        "document": pipeline.Field(text=student.text, kind="document"),
    }
    batches = pipeline.batches(
        examples,
        groups=[(kept, 1.0)],
        fields=fields,
        batch_size=data.batch_size,
        window=data.window,
        buckets=data.buckets,
        seed=config.seed,
    )
    texts = {t["document"][0]: t["query"][0] for t in examples.read(held)}
    held_out = validation.HeldOut(list(texts.values()), list(texts))
    return Inputs(student, None, batches, held_out, len(kept))


def _hold_out(
    examples: triples.TripleExamples, config: Config
) -> tuple[np.ndarray, np.ndarray]:
    """Split triples by a hash of the positive: no document is in both parts."""
    rows = examples.read(np.arange(len(examples)))
    hashes = np.array([zlib.crc32(row["document"][0].encode()) for row in rows])
    limit = max(config.data.validation_fraction * 2**32, hashes.min() + 1)
    return np.flatnonzero(hashes < limit), np.flatnonzero(hashes >= limit)


def _student(
    config: Config, run: Path, pairs: list[Pair], teacher: Retriever | None, say: Say
) -> Retriever:
    """Return the student as the run starts from it, made once and kept in the run."""
    kept = run / "student"
    if kept.is_dir():
        return folder.load(kept)
    start = hf.resolve(config.student.path or config.teacher.path)
    head = config.student.head or (teacher.head if teacher else layout.read(start).head)
    encoder_folder = start
    if config.student.vocabulary.mode != "keep":
        encoder_folder = run / "vocabulary"
        if not encoder_folder.is_dir():
            report = vocabulary.transplant_folder(
                start,
                encoder_folder,
                pairs,
                config.student.vocabulary,
                seed=config.seed,
            )
            say("vocabulary: " + ", ".join(f"{k} {v}" for k, v in report.items()))
    student = new_head.fit(
        folder.load(encoder_folder, head=new_head.bare(head)),
        head,
        key=jax.random.key(config.seed),
        projection=_projection(start, head),
    )
    say(f"student: {retriever.count(student.params) / 1e6:.1f} M parameters")
    folder.save(student, kept)
    return student


def _projection(start: Path, head: HeadConfig) -> jax.Array | None:
    """Return the projection that the folder was trained with, if it has the head's width."""
    if head.projection is None or layout.find_dense(start) is None:
        return None
    bare = dataclasses.replace(new_head.bare(head), projection=head.projection)
    return folder.load(start, head=bare).params["projection"]["kernel"][...]
