"""The bitext of a run: batches to train on, texts held out.

Pairs made of the bitext are trained on behind it; a teacher's vectors are kept on disk.
"""

import dataclasses
import functools
from pathlib import Path

import grain
import jax
import numpy as np

from optical_jax import prepare
from optical_jax.config import Config
from optical_jax.data import lengths as lengths_lib
from optical_jax.data import marks, pipeline, teacher_vectors
from optical_jax.data.sources import Pair
from optical_jax.data.training_pairs import TrainingPairs
from optical_jax.models.retriever import Retriever
from optical_jax.objectives import tokens
from optical_jax.retrieval import encode
from optical_jax.training import (
    distributed,
    extras,
    passages,
    sharding,
    switching,
    validation,
    workdir,
)
from optical_jax.training.fields import fields_of
from optical_jax.training.progress import Say


class BitextStream:
    """Parallel sentences: what is trained on, and what is held out."""

    def __init__(self, config: Config, run: Path, say: Say):
        """Read and clean the bitext, make further pairs, unless that was done before.

        Args:
            config: the run.
            run: its folder, where the counts of cleaning are kept.
            say: prints a line.
        """
        self._config, self._say = config, say
        self._vectors: dict[str, teacher_vectors.TeacherVectors] = {}
        self.prepared = prepare.prepare_bitext(config)
        made = prepare.prepare_synthetic(config, self.prepared)
        self._train = TrainingPairs((self.prepared, made) if made else (self.prepared,))
        if distributed.is_leader():
            workdir.write_report(run, self._train.report)
        self._held_out = self.prepared.split("validation")
        self.pairs = self._train.pairs()
        self.size = len(self.pairs)
        # Pairs made of the bitext come behind it.
        self._sentences = len(self.prepared.split("train"))
        say(
            f"bitext: {self._sentences} pairs to train on, {len(self._held_out)} held out"
            + (f", {self.size - self._sentences} made" if made else "")
        )

    @functools.cached_property
    def variants(self) -> list[Pair]:
        """The bitext, and with it the texts that unmarking may make of it."""
        pairs = self.pairs[: self._sentences]
        if self._config.data.unmarked:
            return [v for pair in pairs for v in marks.variants(pair)]
        return pairs

    def stream(
        self, student: Retriever, teacher: Retriever | None, switch: switching.Switch
    ) -> grain.MapDataset:
        """Return the batches of this host, with what the objective needs beside texts."""
        data = self._config.data
        weights = {s.name: s.weight for s in (*data.sources, *data.synthetic)}
        cached = self._cached(teacher)
        fields = fields_of(self._config, tokens.BITEXT_FIELDS, student, teacher, cached)
        # Most objectives ask for none, and variants of a large bitext take a while.
        if self._config.objective.extras():
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
        examples = pipeline.BitextExamples(
            self._train.records(),
            unmark=marks.Unmarking(data.unmarked, seed=self._config.seed),
        )
        lengths = None
        # Switched texts are other ones in every window, and have no length of their own.
        if jax.process_count() > 1 and not data.code_switch.probability:
            cache = Path(data.cache_dir).expanduser()
            lengths = lengths_lib.of(
                examples, fields, pairs=self.pairs, cache=cache, say=self._say
            )
        return pipeline.stream(
            switch(examples),
            groups=self._train.groups(weights),
            fields=fields,
            batch_size=data.batch_size,
            window=data.window,
            buckets=data.buckets,
            seed=self._config.seed,
            shared=shared,
            own=sharding.own_rows(self._config.mesh, data.batch_size),
            lengths=lengths,
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
        """Return the held-out pairs that checkpoints are selected by."""
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
        if not drawn:
            return []
        if self._config.objective.kinds().get(("teacher", "source")) == "query":
            cached = self._cached(teacher)
            if cached:
                return cached["source"].read(drawn)
        vectors = encode.encode_queries(teacher, [self.pairs[i].source for i in drawn])
        return [vectors[i] for i in range(len(vectors))]
