"""What an evaluation asks: a set of queries, their judgments, and their other wordings."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from optical_jax.data import trec as trec_data
from optical_jax.data.collection import Collection
from optical_jax.retrieval import trec

# Whose words a method searches with: the query set's own, those of the same questions
# in the documents' language, or a machine's translation of them into it.
Wording = Literal["queries", "topline", "translation"]
Unjudged = Literal["error", "skip"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """Queries to measure.

    Attributes:
        queries: name of the query set.
        texts: query_id -> text of those that are measured; none if only runs are.
        qrels: of the same queries, in the order of the query set.
        topline: the same questions in the documents' language. Its qrels are the same
            where it has the same query ids, as it must to be compared query by query;
            else its own.
        translation: the same queries, translated into that language by a machine.
        tune: other queries, on which the weights of a fusion are chosen.
    """

    queries: str
    texts: Mapping[str, str]
    qrels: trec.Qrels
    topline: "Task | None" = None
    translation: "Task | None" = None
    tune: "Task | None" = None

    def worded(self, wording: Wording) -> "Task":
        """Return the task in a wording.

        Raises:
            ValueError: if there is no such wording of the queries.
        """
        of = {"topline": self.topline, "translation": self.translation}
        task = self if wording == "queries" else of[wording]
        if task is None:
            raise ValueError(
                f"query set {self.queries!r} must have a {wording}, got none"
            )
        return task


def of_collection(
    collection: Collection,
    queries: Sequence[str],
    *,
    topline_queries: Sequence[str] = (),
    tune_queries: Sequence[str] = (),
    translations: Mapping[str, Mapping[str, str]] | None = None,
    unjudged: Unjudged = "error",
) -> list[Task]:
    """Look up query sets, their qrels and their other wordings.

    Args:
        collection: documents, queries and qrels.
        queries: names of the query sets to measure.
        topline_queries: for each the name of its topline, or none at all.
        tune_queries: for each the name of the set to choose weights on, or none at all.
        translations: query set -> query_id -> text in the documents' language.
        unjudged: whether queries without a relevant document are an error or left out.

    Raises:
        ValueError: if there is nothing to search or to measure, a name is unknown, a
            query is not translated, or has no relevant document (unless such are
            skipped), or weights would be chosen on the queries that are measured.
    """
    if not collection.documents:
        raise ValueError(
            f"collection {collection.name} must have documents, got none; look at its "
            "corpus file"
        )
    if not queries:
        raise ValueError(
            f"queries must name at least one query set, got none; collection "
            f"{collection.name} has {', '.join(collection.query_sets)}"
        )
    for option, names in (("topline", topline_queries), ("tune", tune_queries)):
        if names and len(names) != len(queries):
            raise ValueError(
                f"{option}_queries must name one query set for each of queries, got "
                f"{len(names)} for {len(queries)}"
            )
    plain = {
        name: _plain(collection, name, translations or {}, unjudged)
        for name in [*queries, *tune_queries]
    }
    found = []
    for i, name in enumerate(queries):
        task = plain[name]
        if topline_queries:
            topline = _topline(collection, task, topline_queries[i], unjudged)
            task = dataclasses.replace(task, topline=topline)
        if tune_queries:
            tune = plain[tune_queries[i]]
            _check_apart(task, tune)
            task = dataclasses.replace(task, tune=tune)
        found.append(task)
    return found


def of_qrels(path: Path, *, unjudged: Unjudged = "error") -> Task:
    """Return the task of a judgments file alone, to measure runs by.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if it is malformed, or judges a query without a relevant document.
    """
    qrels = trec_data.qrels(path)
    name = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
    kept = _judged(name, list(qrels), qrels, unjudged)
    return Task(queries=name, texts={}, qrels=kept)


def _plain(
    collection: Collection,
    name: str,
    translations: Mapping[str, Mapping[str, str]],
    unjudged: Unjudged,
) -> Task:
    texts = collection.queries(name)
    qrels = _judged(name, list(texts), collection.qrels(name), unjudged)
    task = Task(queries=name, texts={q: texts[q] for q in qrels}, qrels=qrels)
    if name not in translations:
        return task
    missing = [q for q in qrels if q not in translations[name]]
    if missing:
        raise ValueError(
            f"every query of {name!r} must be translated, got no translation for "
            f"{len(missing)} of {len(qrels)} ({_some(missing)}); add them"
        )
    translated = {q: translations[name][q] for q in qrels}
    return dataclasses.replace(
        task, translation=dataclasses.replace(task, texts=translated)
    )


def _topline(collection: Collection, task: Task, name: str, unjudged: Unjudged) -> Task:
    texts, qrels = collection.queries(name), task.qrels
    if not qrels.keys() <= texts.keys():
        qrels = _judged(name, list(texts), collection.qrels(name), unjudged)
    return Task(queries=name, texts={q: texts[q] for q in qrels}, qrels=qrels)


def _check_apart(task: Task, tune: Task) -> None:
    """Refuse to choose weights on what is then measured with them."""
    shared = sorted(q for q, _ in task.texts.items() & tune.texts.items())
    if shared:
        raise ValueError(
            f"tune_queries must hold other queries than are measured, got "
            f"{len(shared)} of {task.queries!r} in {tune.queries!r} ({_some(shared)}); "
            "name a development set"
        )


def _judged(
    name: str, query_ids: list[str], qrels: trec.Qrels, unjudged: Unjudged
) -> trec.Qrels:
    relevant = {q for q, documents in qrels.items() if max(documents.values()) > 0}
    without = [q for q in query_ids if q not in relevant]
    unknown = sorted(qrels.keys() - set(query_ids))
    if unjudged == "error" and without:
        raise ValueError(
            f"every query of {name!r} must have a relevant document in the qrels, got "
            f"none for {len(without)} of {len(query_ids)} ({_some(without)}); correct "
            "the qrels, or leave such queries out with unjudged=skip"
        )
    if unjudged == "error" and unknown:
        raise ValueError(
            f"qrels of {name!r} must judge its own queries, got {len(unknown)} that it "
            f"does not hold ({_some(unknown)}); correct the files, or leave them out "
            "with unjudged=skip"
        )
    kept = {q: qrels[q] for q in query_ids if q in relevant}
    if not kept:
        raise ValueError(
            f"query set {name!r} must have a query with a relevant document, got none "
            f"among {len(query_ids)}"
        )
    return kept


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:3]) + (" ..." if len(ids) > 3 else "")
