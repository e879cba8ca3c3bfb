"""Queries with relevant documents: batches to train on, examples held out."""

import dataclasses
from pathlib import Path

import grain
import numpy as np

from optical_jax.config import Config
from optical_jax.data import pipeline
from optical_jax.data.ranking import RankingExamples
from optical_jax.models.retriever import Retriever
from optical_jax.objectives import tokens
from optical_jax.training import sharding, switching, validation
from optical_jax.training.fields import fields_of
from optical_jax.training.progress import Say


class RankingStream:
    """Queries with relevant documents: what is trained on, and what is held out."""

    def __init__(self, config: Config, say: Say):
        """Open the sources and hold examples out.

        Raises:
            ValueError: if the objective cannot be trained on them.
        """
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
        """Return the batches of this host."""
        data = self._config.data
        fields = fields_of(self._config, tokens.RANKING_FIELDS, student, teacher, {})
        if "ranking-scores" in self._config.objective.parts():
            name = f"{self._config.objective.ranking_scores.documents}/document"
            fields[name] = dataclasses.replace(fields[name], numbers=("scores",))
        rows = data.batch_size // self._examples.languages
        return pipeline.stream(
            switch(self._examples),
            groups=self._kept,
            fields=fields,
            batch_size=rows,
            window=data.window,
            buckets=data.buckets,
            seed=self._config.seed,
            own=sharding.own_rows(self._config.mesh, rows),
        )

    def held_out(self) -> validation.HeldOut:
        """Return held-out queries, each with its positive document."""
        config = self._config.validation
        drawn = validation.draw(len(self._held), config.queries)
        rows = self._examples.read(self._held[drawn])
        # Of a document with several queries the last one is kept.
        texts = {row["document"][0]: row["query"][0] for row in rows}
        return validation.HeldOut(list(texts.values()), list(texts), config=config)
