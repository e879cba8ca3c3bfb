"""Where the students of a base are measured: its collection, searched in every other way.

What several runs share (the encoded collection, word translations, the baselines' runs) is
made once: in memory for one call of the command, on disk for the next one.
"""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optical_jax import prepare
from optical_jax.config import Config
from optical_jax.data import collection as collection_lib
from optical_jax.data import textfile
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import comparison, methods, tasks, trec
from optical_jax.retrieval.bm25 import Bm25Config
from optical_jax.retrieval.fusion import FusionConfig
from optical_jax.retrieval.methods import Method
from optical_jax.retrieval.searcher import Searcher, Stages
from optical_jax.retrieval.tasks import Task
from optical_jax.studies.grid import Base
from optical_jax.training import workdir

_DEPTH = 1000
_BATCH = 64
_FILE = "measures.json"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one evaluation found.

    Attributes:
        asked: collection, query sets and all else that was measured on.
        rows: {collection, query_set, queries, method, measures, per_query, details} for
            each query set and method; per_query is {measure: {query_id: value}}.
        seconds: it took.
    """

    asked: dict[str, Any]
    rows: list[dict[str, Any]]
    seconds: float


class Bench:
    """A collection's query sets, and the baselines on them."""

    def __init__(self, base: Base, searcher: Searcher, tasks: list[Task]):
        """Take a base, and its collection and tasks."""
        self._base = base
        self._searcher = searcher
        self._tasks = tasks
        pairs = []
        if base.config.data.sources:
            pairs = prepare.prepare_bitext(base.config).pairs("train")
        self._baselines = {
            method.name: method
            for method in methods.of_collection(
                searcher, pairs=pairs, topline=bool(base.topline_queries)
            )
        }

    def measure_baselines(self, folder: Path) -> None:
        """Measure every method that no run changes, and leave it in a folder."""
        self._measure(list(self._baselines.values()), folder)

    def measure_student(self, student: Retriever, folder: Path, *, fused: bool) -> None:
        """Measure a student, and its fusion with ibm1+bm25 if asked for."""
        found = [Method(name=methods.STUDENT, search=self._searcher.dense(student))]
        if fused and methods.IBM1 in self._baselines:
            parts = [found[0], self._baselines[methods.IBM1]]
            found += methods.fused(
                parts,
                FusionConfig(weights=self._base.fusion_weights),
                name=methods.FUSION,
                depth=_DEPTH,
            )
        self._measure(found, folder)

    def _measure(self, found: Sequence[Method], folder: Path) -> None:
        began = time.monotonic()
        name = self._searcher.collection.name
        rows = comparison.rows(found, self._tasks, collection=name)
        folder.mkdir(parents=True, exist_ok=True)
        for row in rows:
            path = folder / f"{row.query_set}.{row.method}.run"
            trec.write_run(path, row.run, tag=row.method)
        content = {
            "asked": asked(self._base, [row.method for row in rows]),
            "seconds": round(time.monotonic() - began, 1),
            "rows": [
                {
                    "collection": row.collection,
                    "query_set": row.query_set,
                    "queries": row.queries,
                    "method": row.method,
                    "measures": row.measures,
                    "per_query": row.per_query,
                    "details": row.details,
                }
                for row in rows
            ],
        }
        text = json.dumps(content, indent=None, ensure_ascii=False) + "\n"
        textfile.write(folder / _FILE, text)


class Benches:
    """The benches of a study; bases of one collection and teacher share what they can."""

    def __init__(self, collections: Path, *, cache: Path, told: Stages):
        """Take the folder of collections, that of encoded ones, and who is told."""
        self._collections = collections.expanduser()
        self._cache = cache.expanduser()
        self._told = told
        self._benches: dict[tuple[str, ...], Bench] = {}
        self._searchers: dict[tuple[str, ...], Searcher] = {}

    def check(self, bases: Sequence[Base]) -> None:
        """Look every collection and query set up, before any long work.

        Raises:
            FileNotFoundError: if a collection is missing.
            ValueError: if a query set is unknown or not judged.
        """
        read = {}
        for base in bases:
            key = base.collection, base.titles
            if key not in read:
                read[key] = self._read(base)
            self._tasks(base, read[key])

    def bench(self, base: Base, config: Config | None = None) -> Bench:
        """Return the bench of a base, with the teacher of a run's config if given one."""
        config = config or base.config
        key = base.name, config.teacher.path, str(config.teacher.head)
        if key not in self._benches:
            searcher = self._searcher(base, config)
            found = self._tasks(base, searcher.collection)
            self._benches[key] = Bench(base, searcher, found)
        return self._benches[key]

    def _searcher(self, base: Base, config: Config) -> Searcher:
        teacher = config.teacher
        key = base.collection, str(base.titles), teacher.path, str(teacher.head)
        if key not in self._searchers:
            self._searchers[key] = Searcher(
                collection=self._read(base),
                document_encoder=workdir.load_teacher(config),
                bm25=Bm25Config(),
                cache=self._cache,
                depth=_DEPTH,
                batch_size=_BATCH,
                mesh=None,
                told=self._told,
            )
        return self._searchers[key]

    def _read(self, base: Base) -> collection_lib.Collection:
        path = self._collections / base.collection
        return collection_lib.load(path, titles=base.titles)

    def _tasks(self, base: Base, collection: collection_lib.Collection) -> list[Task]:
        return tasks.of_collection(
            collection,
            base.queries,
            topline_queries=base.topline_queries,
            tune_queries=base.tune_queries,
        )


def asked(base: Base, measured: Iterable[str] = ()) -> dict[str, Any]:
    """Return what a base's students are measured on; other numbers are not theirs.

    Args:
        base: of the study.
        measured: the methods; a fusion depends on its weights too.
    """
    found = {
        "collection": base.collection,
        "titles": base.titles,
        "queries": list(base.queries),
        "topline_queries": list(base.topline_queries),
        "tune_queries": list(base.tune_queries),
    }
    if base.fusion_weights and methods.FUSION in measured:
        found["fusion_weights"] = list(base.fusion_weights)
    return found


def read(folder: Path, base: Base) -> Measured | None:
    """Return what was measured in a folder; None if nothing was, or something else."""
    path = folder / _FILE
    if not path.is_file():
        return None
    found = Measured(**json.loads(path.read_text(encoding="utf-8")))
    return found if fits(found, base) else None


def fits(found: Measured, base: Base) -> bool:
    """Tell whether something was measured on what a base's students are."""
    return found.asked == asked(base, [row["method"] for row in found.rows])
