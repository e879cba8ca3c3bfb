"""Retrieval measures of a run, by ir_measures, per query and averaged."""

from collections.abc import Sequence

import ir_measures
import numpy as np

from optical_jax.retrieval import trec

DEFAULT = ("RR@10", "R@1", "R@10", "R@50", "R@100", "nDCG@10", "AP")


def per_query(
    run: trec.Run, qrels: trec.Qrels, *, names: Sequence[str] = DEFAULT
) -> dict[str, dict[str, float]]:
    """Measure every query of the qrels, as {measure: {query_id: value}}.

    A query of which the run holds nothing counts 0, as trec_eval's option -c has it;
    one without a relevant document in the qrels is an error, because every measure of it
    would be 0 whatever the system does.

    Raises:
        ValueError: if a measure is unknown, or the run and the qrels do not fit.
    """
    check(run, qrels)
    parsed = [_parse(name) for name in names]
    values: dict[str, dict[str, float]] = {
        name: dict.fromkeys(qrels, 0.0) for name in names
    }
    by_name = dict(zip(map(str, parsed), names, strict=True))
    # Providers differ on equal scores (trec_eval: doc_id descending, the MS MARCO script:
    # as they come) and on their precision, so there are none.
    for result in ir_measures.iter_calc(parsed, qrels, trec.strict(run)):
        values[by_name[str(result.measure)]][result.query_id] = float(result.value)
    return values


def mean(values: dict[str, dict[str, float]]) -> dict[str, float]:
    """Average each measure over its queries."""
    return {name: float(np.mean(list(row.values()))) for name, row in values.items()}


def check(run: trec.Run, qrels: trec.Qrels) -> None:
    """Refuse what would give a number of no meaning.

    Raises:
        ValueError: if there are no qrels, a query of the run has none, or a query has
            no relevant document.
    """
    if not qrels:
        raise ValueError("qrels must judge at least one query, got none")
    unjudged = [query_id for query_id in run if query_id not in qrels]
    if unjudged:
        raise ValueError(
            f"every query must have qrels, got none for {len(unjudged)} of {len(run)} "
            f"queries ({_some(unjudged)}); judge them or leave them out of the run"
        )
    empty = [q for q, documents in qrels.items() if max(documents.values()) < 1]
    if empty:
        raise ValueError(
            f"every query must have a document of relevance 1 or more, got none for "
            f"{len(empty)} queries ({_some(empty)}); leave them out of the qrels"
        )


def _parse(name: str) -> ir_measures.Measure:
    try:
        return ir_measures.parse_measure(name)
    except (ValueError, NameError, TypeError, SyntaxError) as error:
        raise ValueError(
            f"measure must be spelled as ir_measures spells it, like "
            f"{', '.join(DEFAULT)}; got {name!r}"
        ) from error


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:3]) + (" ..." if len(ids) > 3 else "")
