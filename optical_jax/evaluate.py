r"""Measure a query encoder on a retrieval collection, beside its baselines.

    python -m optical_jax.evaluate --workdir W --collection DIR --queries NAME
    python -m optical_jax.evaluate --query_encoder DIR --document_encoder DIR \
        --collection DIR --queries NAME [NAME ...] [--topline_queries NAME ...]
    python -m optical_jax.evaluate --runs A.trec B.trec --qrels FILE

The collection is a folder in BEIR layout. Rows: `bm25` on the queries as they are;
`ibm1+bm25`, translated word by word with the run's bitext; `zero-shot`, the document encoder
given the queries; `student`, the query encoder; `fusion`, student and ibm1+bm25 together;
`mt+bm25` and `mt+teacher`, translated by a system of yours; with topline queries, the same
questions in the documents' language, `bm25-topline` and `topline`; and run files of other
systems, by their names. The encoded corpus is cached by its content.

All devices take part, and all processes of a run of several (see the README's "Launch"):
each encodes and searches its share of the corpus, the first one writes the results.
"""

import dataclasses
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import rich.console
import tyro

from optical_jax import command
from optical_jax.data import collection as collection_lib
from optical_jax.data.collection import Collection
from optical_jax.data.sources import Pair
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import (
    comparison,
    compressed,
    methods,
    record,
    searcher,
    sharded_search,
    tasks,
    trec,
)
from optical_jax.retrieval import parallel as parallel_lib
from optical_jax.retrieval.bm25 import Bm25Config
from optical_jax.retrieval.compressed import Storage
from optical_jax.retrieval.evaluate_options import Options
from optical_jax.retrieval.fusion import FusionConfig
from optical_jax.retrieval.searcher import Stages
from optical_jax.retrieval.translation import Ibm1Config
from optical_jax.training import distributed
from optical_jax.training import workdir as workdir_lib


def run(
    collection: Collection,
    *,
    queries: Sequence[str],
    document_encoder: Retriever | None = None,
    query_encoder: Retriever | None = None,
    topline_queries: Sequence[str] = (),
    tune_queries: Sequence[str] = (),
    pairs: Sequence[Pair] = (),
    translations: Mapping[str, Mapping[str, str]] | None = None,
    runs: Mapping[str, trec.Run] | None = None,
    cache: Path,
    depth: int = 1000,
    vectors: Storage = "float16",
    batch_size: int = 64,
    bm25: Bm25Config | None = None,
    ibm1: Ibm1Config | None = None,
    fuse: Sequence[str] = (),
    fusion: FusionConfig | None = None,
    baseline: str | None = None,
    parallel: Sequence[str] = (),
    samples: int = 100_000,
    seed: int = 0,
    unjudged: tasks.Unjudged = "error",
    mesh: jax.sharding.Mesh | None = None,
    progress: Stages | None = None,
) -> record.Evaluation:
    """Evaluate all methods on query sets of a collection, which is encoded once.

    Args:
        collection: documents, queries and qrels.
        queries: names of query sets.
        document_encoder: encodes the documents, and the queries of zero-shot and topline;
            None: only lexical methods are compared.
        query_encoder: the student; None: the method is left out.
        topline_queries: for each query set the name of its translation, or none at all.
        tune_queries: for each query set another one, on which weights are chosen.
        pairs: the bitext that ibm1+bm25 translates by; empty: the method is left out.
        translations: query set -> query_id -> translation by a machine.
        runs: of other systems, by name; with nothing but these, these alone are compared.
        cache: folder of encoded collections and lexicons.
        depth: documents ranked for each query.
        vectors: how the documents' vectors are kept.
        batch_size: texts encoded at once.
        bm25: of the lexical methods.
        ibm1: how queries are translated word by word.
        fuse: names of methods; none: student and ibm1+bm25, where they are.
        fusion: how these are fused.
        baseline: see `comparison.measure`.
        parallel: groups of query sets whose language bias is measured, "en,mr,hi" each.
        samples: sign assignments of the permutation tests.
        seed: recorded with every row.
        unjudged: whether queries without a relevant document are an error or left out.
        mesh: if given, all of its devices encode and search; if it spans several
            processes all of them must call this, and each gets the whole evaluation.
        progress: told about encoding and searching.

    Raises:
        ValueError: if names, qrels or encoders do not fit, before anything is encoded.
    """
    searcher.check_encoders(query_encoder, document_encoder)
    if document_encoder is not None:
        compressed.check(vectors, document_encoder.width)
    asked = tasks.of_collection(
        collection,
        queries,
        topline_queries=topline_queries,
        tune_queries=tune_queries,
        translations=translations,
        unjudged=unjudged,
    )
    groups = parallel_lib.groups(parallel, asked)
    found = []
    if document_encoder is not None or pairs or translations or not runs:
        searched = searcher.Searcher(
            collection=collection,
            document_encoder=document_encoder,
            bm25=bm25 or Bm25Config(),
            cache=cache.expanduser(),
            depth=depth,
            storage=vectors,
            batch_size=batch_size,
            mesh=mesh,
            told=progress or (lambda *_: None),
        )
        found += methods.of_collection(
            searched,
            query_encoder=query_encoder,
            pairs=pairs,
            ibm1=ibm1,
            translations=bool(translations),
            topline=bool(topline_queries),
        )
    found += methods.of_runs(runs or {}, unjudged=unjudged)
    evaluation = comparison.measure(
        methods.with_fusion(found, fuse, tasks=asked, config=fusion, depth=depth),
        asked,
        collection=collection.name,
        baseline=baseline,
        samples=samples,
        seed=seed,
    )
    bias = parallel_lib.measure(evaluation.rows, groups, asked)
    return dataclasses.replace(evaluation, bias=bias)


def _measure(options: Options, console: rich.console.Console) -> record.Evaluation:
    runs = options.load_runs()
    if options.qrels is not None:
        return comparison.compare_runs(options.qrels, runs, **options.of_comparison())
    # What is computed here is kept on disk, where the other processes find it.
    with distributed.leader_first("evaluate"):
        collection = collection_lib.load(
            options.collection.expanduser(),
            titles=options.titles,
            cache=options.cache.expanduser(),
        )
        teacher, student = options.load_encoders()
        translations = options.load_translations(collection)
        pairs = options.load_pairs(lambda text: console.print(text, soft_wrap=True))
    with command.live(console) as told:
        return run(
            collection,
            queries=options.queries,
            document_encoder=teacher,
            query_encoder=student,
            topline_queries=options.topline_queries,
            tune_queries=options.tune_queries,
            pairs=pairs,
            translations=translations,
            runs=runs,
            cache=options.cache,
            vectors=options.vectors,
            batch_size=options.batch_size,
            bm25=options.bm25,
            ibm1=options.ibm1,
            parallel=options.parallel,
            mesh=sharded_search.every_device(),
            progress=told,
            **options.of_comparison(),
        )


def _evaluate(options: Options, line: str, console: rich.console.Console) -> None:
    evaluation = _measure(options, console)
    if not distributed.is_leader():
        return
    for query_set in evaluation.significance:
        console.print(record.table(evaluation, query_set))
    for group, by_method in evaluation.bias.items():
        console.print(parallel_lib.table(group, by_method))
    if options.results is not None:
        path = _write(options.results, evaluation, options, line)
        console.print(
            f"written: {path}, runs and per-query measures beside it", soft_wrap=True
        )


def _write(
    folder: Path, evaluation: record.Evaluation, options: Options, line: str
) -> Path:
    content = record.as_json(
        evaluation,
        name=options.name or evaluation.rows[0].collection,
        command=line,
        config=json.loads(json.dumps(dataclasses.asdict(options), default=str)),
    )
    if options.workdir is not None:
        content["training"] = workdir_lib.summary(options.workdir)
    return record.write(folder, evaluation, content)


@command.reported
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    line = shlex.join(["python", "-m", "optical_jax.evaluate", *argv])
    options = tyro.cli(
        Options, args=argv, prog="python -m optical_jax.evaluate", description=__doc__
    )
    command.set_up(options.cache)
    distributed.start()
    # Wide enough for the table in a file or a pipe, where rich assumes 80 columns.
    width = None if sys.stdout.isatty() else 120
    console = rich.console.Console(width=width, quiet=not distributed.is_leader())
    with distributed.together("the corpus's shards that are done are kept"):
        _evaluate(options, line, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
