"""What an evaluation compares: a method is a name and a function from a task to a run."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optical_jax.data.sources import Pair
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import fusion, trec
from optical_jax.retrieval.fusion import FusionConfig
from optical_jax.retrieval.searcher import Search, Searcher
from optical_jax.retrieval.tasks import Task, Unjudged, Wording
from optical_jax.retrieval.translation import Ibm1Config

IBM1 = "ibm1+bm25"
STUDENT = "student"
FUSION = "fusion"


def _nothing(task: Task) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to rank documents.

    Attributes:
        name: names its row, and its run file.
        search: returns the run of the task it is given, in the wording of `given`.
        given: which wording of the queries the method is given.
        details: what a results file should say of the method on a (plain) task.
    """

    name: str
    search: Search
    given: Wording = "queries"
    details: Callable[[Task], dict[str, Any]] = _nothing


def of_collection(
    searcher: Searcher,
    *,
    query_encoder: Retriever | None = None,
    pairs: Sequence[Pair] = (),
    ibm1: Ibm1Config | None = None,
    translations: bool = False,
    topline: bool = False,
) -> list[Method]:
    """Return the methods that search a collection.

    Args:
        searcher: the collection; without a document encoder, only lexical methods are
            returned.
        query_encoder: the student; None: the method is left out.
        pairs: bitext that queries are translated by; empty: the method is left out.
        ibm1: how.
        translations: whether the queries come with a machine's translations.
        topline: whether they come with the same questions in the documents' language.
    """
    lexical = searcher.lexical()
    found = [Method(name="bm25", search=lexical)]
    if pairs:
        config = ibm1 or Ibm1Config()
        details = {"pairs": len(pairs), **dataclasses.asdict(config)}
        by_words = searcher.translated(pairs, config)
        found.append(Method(name=IBM1, search=by_words, details=lambda _: details))
    if translations:
        found.append(Method(name="mt+bm25", search=lexical, given="translation"))
    encoder = searcher.document_encoder
    dense = searcher.dense(encoder) if encoder is not None else None
    if dense is not None:
        found.append(Method(name="zero-shot", search=dense))
        if translations:
            found.append(Method(name="mt+teacher", search=dense, given="translation"))
        if query_encoder is not None:
            found.append(Method(name=STUDENT, search=searcher.dense(query_encoder)))
    if topline:
        found.append(Method(name="bm25-topline", search=lexical, given="topline"))
        if dense is not None:
            found.append(Method(name="topline", search=dense, given="topline"))
    return found


def of_runs(
    runs: Mapping[str, trec.Run], *, unjudged: Unjudged = "error"
) -> list[Method]:
    """Return methods that look their answers up in runs of any systems.

    Args:
        runs: by name; queries that one lacks are measured as unanswered.
        unjudged: whether queries that a task does not judge are an error, when the run is
            measured, or left out.
    """
    return [
        Method(name=name, search=functools.partial(_look_up, name, run, unjudged))
        for name, run in runs.items()
    ]


def _look_up(name: str, run: trec.Run, unjudged: Unjudged, task: Task) -> trec.Run:
    if not run.keys() & task.qrels.keys():
        raise ValueError(
            f"run {name!r} must hold queries that the qrels of {task.queries!r} judge, "
            f"got none among {len(run)}; it is of another query set"
        )
    if unjudged == "error":
        return run
    return {q: documents for q, documents in run.items() if q in task.qrels}


def with_fusion(
    methods: Sequence[Method],
    names: Sequence[str] = (),
    *,
    tasks: Sequence[Task],
    config: FusionConfig | None = None,
    depth: int = 1000,
) -> list[Method]:
    """Append the fusions of some methods, by a weighted sum and by reciprocal ranks.

    Args:
        methods: what there is to fuse.
        names: two or more of them, whose fusion is named by them ("a+b"); none: the
            fusion of student and ibm1+bm25, named "fusion", if they are there.
        tasks: that the methods will be given.
        config: how; its weights are in the order of the names.
        depth: documents ranked for each query.

    Raises:
        ValueError: if there are not two names, one is unknown, or its method is given
            other query ids or no queries at all; if weights are not theirs.
    """
    known = {method.name: method for method in methods}
    wanted = names or [name for name in (STUDENT, IBM1) if name in known]
    if not names and len(wanted) < 2:
        return list(methods)
    unknown = [name for name in wanted if name not in known]
    if unknown or len(set(wanted)) < 2:
        raise ValueError(
            f"fuse must name two or more of the methods compared ({', '.join(known)}), "
            f"got {' '.join(wanted)}"
        )
    config = config or FusionConfig()
    if config.weights and len(config.weights) != len(wanted):
        raise ValueError(
            f"fusion.weights must be one for each method fused ({', '.join(wanted)}), "
            f"got {len(config.weights)}"
        )
    parts = [known[name] for name in wanted]
    for task in [*tasks, *(task.tune for task in tasks if task.tune)]:
        for part in parts:
            if task.worded(part.given).qrels.keys() != task.qrels.keys():
                raise ValueError(
                    f"fused methods must answer the same queries, got other query ids "
                    f"than those of {task.queries!r} for {part.name!r}"
                )
    name = "+".join(names) if names else FUSION
    return [*methods, *fused(parts, config, name=name, depth=depth)]


def fused(
    parts: Sequence[Method], config: FusionConfig, *, name: str, depth: int
) -> list[Method]:
    """Return two fusions of methods: by a weighted sum, and by reciprocal ranks.

    Args:
        parts: two or more; all must be given the same query ids.
        config: how; where it has no weights they are chosen on the task's `tune`, and
            are equal without one.
        name: of the weighted sum; "-rrf" is appended for the other one.
        depth: documents ranked for each query.
    """

    def runs(task: Task) -> list[trec.Run]:
        return [part.search(task.worded(part.given)) for part in parts]

    @functools.cache
    def chosen(task: Task) -> tuple[float, ...]:
        if config.weights:
            return config.weights
        if task.tune is None:
            return (1 / len(parts),) * len(parts)
        return fusion.tune(
            runs(task.tune), task.tune.qrels, normalization=config.normalization
        )

    def details(task: Task) -> dict[str, Any]:
        by_name = {part.name: w for part, w in zip(parts, chosen(task), strict=True)}
        found = {"weights": by_name, "normalization": config.normalization}
        if task.tune is None or config.weights:
            return found
        return found | {"tuned_on": task.tune.queries, "tuned_by": fusion.TUNED_BY}

    def weighted(task: Task) -> trec.Run:
        return fusion.weighted(
            runs(task), chosen(task), normalization=config.normalization, depth=depth
        )

    def ranks(task: Task) -> trec.Run:
        return fusion.reciprocal_rank(runs(task), k=config.k, depth=depth)

    return [
        Method(name=name, search=functools.cache(weighted), details=details),
        Method(
            name=f"{name}-rrf",
            search=functools.cache(ranks),
            details=lambda _: {"k": config.k},
        ),
    ]
