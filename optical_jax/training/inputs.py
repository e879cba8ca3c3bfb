"""From a config to what the loop needs: teacher, student, batches, held-out texts.

Everything slow here is kept on disk under a name made of the content it depends on, and is
found again when the same command runs a second time.
"""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grain
import jax
import numpy as np

from optical_jax import prepare
from optical_jax.config import Config
from optical_jax.data import marks, pipeline, teacher_vectors
from optical_jax.data.ranking import RankingExamples
from optical_jax.data.sources import Pair
from optical_jax.data.training_pairs import TrainingPairs
from optical_jax.models import folder, hf, layout, new_head, retriever, vocabulary
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Retriever
from optical_jax.objectives import mixture, tokens
from optical_jax.retrieval import encode
from optical_jax.training import extras, passages, switching, validation, workdir

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

    Raises:
        ValueError: if the objective needs texts or a teacher that the config lacks.
    """
    objective, data = config.objective, config.data
    teacher = _teacher(config) if objective.uses(who="teacher") else None
    bitext = ranking = None
    if data.sources or objective.uses(fields=tokens.BITEXT_FIELDS):
        bitext = _Bitext(config, run, say)
    if objective.uses(fields=tokens.RANKING_FIELDS):
        ranking = _Ranking(config, say)
    switch = switching.make(config, bitext.prepared if bitext else None)
    student = _student(config, run, bitext.variants if bitext else [], teacher, say)
    if teacher is not None:
        _check_fit(student, teacher)
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


def _teacher(config: Config) -> Retriever:
    teacher = workdir.load_teacher(config)
    aligning = [name for name in config.objective.parts() if name in mixture.ALIGNING]
    heads = {"teacher": teacher.head, "student": config.student.head or teacher.head}
    for who, head in heads.items():
        if aligning and head.kind != "multi-vector":
            raise ValueError(
                f"objective {aligning[0]!r} aligns tokens, so {who}.head.kind must be "
                f"'multi-vector', got {head.kind!r}; set {who}.head"
            )
    return teacher


def _check_fit(student: Retriever, teacher: Retriever) -> None:
    if student.width != teacher.width:
        raise ValueError(
            f"the student's vectors must be as wide as the teacher's ({teacher.width}), "
            f"got {student.width}; set student.head.projection to {teacher.width}"
        )


def _fields(
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


class _Bitext:
    """Parallel sentences: what is trained on, and what is held out."""

    def __init__(self, config: Config, run: Path, say: Say):
        self._config, self._say = config, say
        self._vectors: dict[str, teacher_vectors.TeacherVectors] = {}
        self.prepared = prepare.prepare_bitext(config)
        made = prepare.prepare_synthetic(config, self.prepared)
        self._train = TrainingPairs((self.prepared, made) if made else (self.prepared,))
        workdir.write_report(run, self._train.report)
        self._held_out = self.prepared.split("validation")
        self.pairs = self._train.pairs()
        self.size = len(self.pairs)
        # Pairs made of the bitext come behind it.
        self._sentences = len(self.prepared.split("train"))
        # The bitext, and with it the texts that unmarking may make of it.
        self.variants = self.pairs[: self._sentences]
        if config.data.unmarked:
            self.variants = [v for pair in self.variants for v in marks.variants(pair)]
        say(
            f"bitext: {self._sentences} pairs to train on, {len(self._held_out)} held out"
            + (f", {self.size - self._sentences} made" if made else "")
        )

    def stream(
        self, student: Retriever, teacher: Retriever | None, switch: switching.Switch
    ) -> grain.MapDataset:
        data = self._config.data
        weights = {s.name: s.weight for s in (*data.sources, *data.synthetic)}
        cached = self._cached(teacher)
        fields = _fields(self._config, tokens.BITEXT_FIELDS, student, teacher, cached)
        made = extras.make(self._config.objective, fields, self.variants)
        for key, found in made.items():
            fields[key] = dataclasses.replace(fields[key], extras=found)
        shared = {}
        if self._config.objective.uses(fields=(tokens.PASSAGE_FIELD,)):
            shared[f"teacher/{tokens.PASSAGE_FIELD}"] = passages.make(
                self._config,
                teacher,
                [pair.source for pair in self.pairs],
                own=self._sentences,
                cached=cached.get("source"),
                say=self._say,
            )
        return pipeline.stream(
            switch(
                pipeline.BitextExamples(
                    self._train.records(),
                    unmark=marks.Unmarking(data.unmarked, seed=self._config.seed),
                )
            ),
            groups=self._train.groups(weights),
            fields=fields,
            batch_size=data.batch_size,
            window=data.window,
            buckets=data.buckets,
            seed=self._config.seed,
            shared=shared,
        )

    def _cached(
        self, teacher: Retriever | None
    ) -> dict[str, teacher_vectors.TeacherVectors]:
        kind = self._config.objective.kinds().get(("teacher", "source"))
        if kind is None or not self._config.data.cache_teacher:
            return {}
        if not self._vectors:
            compute = functools.partial(
                teacher_vectors.compute,
                teacher,
                kind=kind,
                weighed="teacher/source" in self._config.objective.weighed(),
                cache_dir=Path(self._config.data.cache_dir).expanduser(),
                on_progress=lambda n, all_: self._say(
                    f"teacher vectors: {n} of {all_}"
                ),
            )
            texts = [pair.source for pair in self.pairs]
            self._vectors["source"] = teacher_vectors.compute_apart(
                compute, texts, first=self._sentences
            )
        return self._vectors

    def held_out(self, teacher: Retriever | None) -> validation.HeldOut:
        config = self._config.validation
        kind = self._config.objective.kinds().get(("student", "target"))
        searched = "target" if kind == "document" else "source"
        # Of a sentence with several translations the last one is kept.
        pairs = list({row[searched]: row for row in self._held_out[:]}.values())
        pairs = [pairs[i] for i in validation.draw(len(pairs), config.queries)]
        sources = [row["source"] for row in pairs]
        targets = [row["target"] for row in pairs]
        if searched == "target":
            return validation.HeldOut(sources, targets, config=config, asker=teacher)
        if teacher is None:
            return validation.HeldOut(targets, sources, config=config)
        return validation.HeldOut(
            targets,
            sources,
            config=config,
            vectors=encode.encode_queries(teacher, sources),
            distractors=self._distractors(teacher),
        )

    def _distractors(self, teacher: Retriever) -> list[np.ndarray]:
        drawn = validation.draw(self._sentences, self._config.validation.distractors)
        if self._config.objective.kinds().get(("teacher", "source")) == "query":
            cached = self._cached(teacher)
            if cached:
                return cached["source"].read(drawn)
        vectors = encode.encode_queries(teacher, [self.pairs[i].source for i in drawn])
        return [vectors[i] for i in range(len(vectors))]


class _Ranking:
    """Queries with relevant documents: what is trained on, and what is held out."""

    def __init__(self, config: Config, say: Say):
        self._config, data = config, config.data
        self._examples = RankingExamples(
            data.ranking,
            root=Path(data.root).expanduser(),
            cache=Path(data.cache_dir).expanduser(),
            negatives=data.negatives,
            mixing=data.language_mixing,
            seed=config.seed,
        )
        self._check()
        self._held, self._kept = self._hold_out()
        self.size = sum(len(indices) for indices, _ in self._kept)
        say(f"ranking: {self.size} examples to train on, {len(self._held)} held out")

    def _check(self) -> None:
        objective, data = self._config.objective, self._config.data
        languages = self._examples.languages
        if "ranking-scores" in objective.parts() and not self._examples.scored:
            raise ValueError(
                "objective 'ranking-scores' needs scores for every document, but some of "
                f"{[source.name for source in data.ranking]} have none; mine them "
                "(python -m optical_jax.mine), or choose another objective"
            )
        if data.batch_size % languages:
            raise ValueError(
                f"data.batch_size must be divisible by the {languages} languages of "
                f"'round-robin-entries', got {data.batch_size}"
            )
        in_batch = objective.contrastive.in_batch and "contrastive" in objective.parts()
        if languages > 1 and in_batch:
            raise ValueError(
                "data.language_mixing 'round-robin-entries' has every query in its batch "
                "in several languages, so another's positive is no negative; set "
                "objective.contrastive.in_batch to False"
            )

    def _hold_out(self) -> tuple[np.ndarray, list[tuple[np.ndarray, float]]]:
        """Split examples by a hash of the positive: no document is in both parts."""
        groups = self._examples.groups()
        hashes = [self._examples.positives(indices) for indices, _ in groups]
        least = min(int(h.min()) for h in hashes)
        limit = max(self._config.data.validation_fraction * 2**32, least + 1)
        held = [i[h < limit] for (i, _), h in zip(groups, hashes, strict=True)]
        kept = [
            (i[h >= limit], weight)
            for (i, weight), h in zip(groups, hashes, strict=True)
        ]
        return np.concatenate(held), kept

    def stream(
        self, student: Retriever, teacher: Retriever | None, switch: switching.Switch
    ) -> grain.MapDataset:
        data = self._config.data
        fields = _fields(self._config, tokens.RANKING_FIELDS, student, teacher, {})
        if "ranking-scores" in self._config.objective.parts():
            name = f"{self._config.objective.ranking_scores.documents}/document"
            fields[name] = dataclasses.replace(fields[name], numbers=("scores",))
        return pipeline.stream(
            switch(self._examples),
            groups=self._kept,
            fields=fields,
            batch_size=data.batch_size // self._examples.languages,
            window=data.window,
            buckets=data.buckets,
            seed=self._config.seed,
        )

    def held_out(self) -> validation.HeldOut:
        config = self._config.validation
        drawn = validation.draw(len(self._held), config.queries)
        rows = self._examples.read(self._held[drawn])
        # Of a document with several queries the last one is kept.
        texts = {row["document"][0]: row["query"][0] for row in rows}
        return validation.HeldOut(list(texts.values()), list(texts), config=config)


def _student(
    config: Config, run: Path, pairs: list[Pair], teacher: Retriever | None, say: Say
) -> Retriever:
    """Return the student as the run starts from it, made once and kept in the run."""
    kept = run / "student"
    if kept.is_dir():
        return folder.load(kept)
    start = hf.resolve(config.student.path or config.teacher.path)
    head = config.student.head or (teacher or folder.load(start)).head
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
