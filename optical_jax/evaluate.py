r"""Measure a query encoder on a retrieval collection, beside its baselines.

    python -m optical_jax.evaluate --query_encoder DIR --document_encoder DIR \
        --collection DIR --queries NAME [NAME ...] [--topline_queries NAME ...]
    python -m optical_jax.evaluate --workdir W --collection DIR --queries NAME

The collection is a folder in BEIR layout. Methods: `bm25` on the queries as they are;
`zero-shot`, the document encoder given them too; `student`, the query encoder; and with
topline queries, the same questions in the documents' language, `bm25-topline` and
`topline`, the document encoder given these. The encoded corpus is cached by its content.
"""

import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import rich.console
import rich.markup
import tyro

from optical_jax.data import collection as collection_lib
from optical_jax.data.collection import Collection
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import (
    bm25,
    command,
    index,
    measures,
    methods,
    record,
    significance,
)
from optical_jax.retrieval.command import EncoderOptions
from optical_jax.retrieval.methods import Stages
from optical_jax.training import workdir as workdir_lib


@dataclass(frozen=True, kw_only=True)
class Options(EncoderOptions):
    """The command's options."""

    # Folder of the collection: BEIR, MS MARCO or TREC layout, or prepared.
    collection: Path
    # Whether documents of the BEIR layout start with their titles, as in BEIR itself.
    titles: bool = True
    # Query sets of the collection.
    queries: tuple[str, ...]
    # For each query set, the one with the same questions in the documents' language.
    topline_queries: tuple[str, ...] = ()
    # Where NAME.json and NAME/ are written; None: WORKDIR/evaluation, or nothing is.
    output: Path | None = None
    # Of the files in output; None: the collection's.
    name: str | None = None
    # Encoded collections.
    cache: Path = Path("~/.cache/optical_jax")
    # Documents ranked for each query.
    depth: int = 1000
    # Texts encoded at once.
    batch_size: int = 64
    # Of the permutation tests.
    samples: int = 100_000
    # Recorded with each row; with a workdir, its seed is.
    seed: int = 0
    # What to do with queries that have no relevant document.
    unjudged: Literal["error", "skip"] = "error"


def run(
    collection: Collection,
    *,
    queries: Sequence[str],
    document_encoder: Retriever,
    query_encoder: Retriever | None = None,
    topline_queries: Sequence[str] = (),
    cache: Path,
    depth: int = 1000,
    batch_size: int = 64,
    samples: int = 100_000,
    seed: int = 0,
    unjudged: Literal["error", "skip"] = "error",
    mesh: jax.sharding.Mesh | None = None,
    progress: Stages | None = None,
) -> record.Evaluation:
    """Evaluate all methods on query sets of a collection.

    Args:
        collection: documents, queries and qrels.
        queries: names of query sets.
        document_encoder: encodes the documents, and the queries of zero-shot and topline.
        query_encoder: the student; None: the method is left out.
        topline_queries: for each query set the name of its translation, or none at all.
        cache: folder of encoded collections.
        depth: documents ranked for each query.
        batch_size: texts encoded at once.
        samples: sign assignments of the permutation tests.
        seed: recorded with every row.
        unjudged: whether queries without a relevant document are an error or left out.
        mesh: if given, texts are encoded on all of its devices.
        progress: told about encoding and searching.

    Raises:
        ValueError: if names, qrels or encoders do not fit, before anything is encoded.
    """
    began = time.monotonic()
    methods.check_encoders(query_encoder, document_encoder)
    tasks = list(methods.tasks(collection, queries, topline_queries, unjudged=unjudged))
    told = progress or (lambda *_: None)
    documents = index.build(
        document_encoder,
        collection.doc_ids,
        collection.documents,
        cache=cache.expanduser(),
        batch_size=batch_size,
        mesh=mesh,
        progress=lambda *done: told("encode documents", *done),
    )
    searcher = methods.Searcher(
        collection=collection,
        words=bm25.Bm25(collection.documents),
        vectors=documents.vectors,
        depth=depth,
        batch_size=batch_size,
        mesh=mesh,
        told=told,
    )
    rows = [
        _row(searcher, task, method, given, encoder, seed)
        for task in tasks
        for method, (given, encoder) in task.methods(
            document_encoder=document_encoder, query_encoder=query_encoder
        ).items()
    ]
    compared = {
        task.queries: significance.compare(
            {
                row.method: row.per_query
                for row in rows
                # The tests are paired: other query ids leave a method out.
                if row.query_set == task.queries and row.run.keys() == task.qrels.keys()
            },
            samples=samples,
        )
        for task in tasks
    }
    seconds = time.monotonic() - began
    return record.Evaluation(rows=rows, significance=compared, seconds=seconds)


def _row(
    searcher: methods.Searcher,
    task: methods.Task,
    method: str,
    given: str,
    encoder: Retriever | None,
    seed: int,
) -> record.Row:
    qrels = task.topline_qrels if given == task.topline else task.qrels
    found = searcher.run(list(qrels), given, encoder)
    return record.Row(
        collection=searcher.collection.name,
        query_set=task.queries,
        queries=given,
        method=method,
        seed=seed,
        run=found,
        per_query=measures.per_query(found, qrels),
    )


def _evaluate(options: Options, line: str, console: rich.console.Console) -> None:
    collection = collection_lib.load(
        options.collection.expanduser(), titles=options.titles
    )
    teacher, student = options.load_encoders()
    seed, output, workdir = options.seed, options.output, options.workdir
    if workdir is not None:
        seed = workdir_lib.read_config(workdir).seed
        output = output or workdir / "evaluation"
    with command.live(console) as told:
        evaluation = run(
            collection,
            queries=options.queries,
            document_encoder=teacher,
            query_encoder=student,
            topline_queries=options.topline_queries,
            cache=options.cache,
            depth=options.depth,
            batch_size=options.batch_size,
            samples=options.samples,
            seed=seed,
            unjudged=options.unjudged,
            progress=told,
        )
    for query_set in evaluation.significance:
        console.print(record.table(evaluation, query_set))
    if output is not None:
        content = record.as_json(
            evaluation,
            name=options.name or collection.name,
            command=line,
            config=json.loads(json.dumps(dataclasses.asdict(options), default=str)),
        )
        if workdir is not None:
            content["training"] = workdir_lib.summary(workdir)
        path = record.write(output, evaluation, content)
        console.print(
            f"written: {path}, runs and per-query measures beside it", soft_wrap=True
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    options = tyro.cli(
        Options, args=argv, prog="python -m optical_jax.evaluate", description=__doc__
    )
    command.cache_compilations(options.cache)
    line = shlex.join(["python", "-m", "optical_jax.evaluate", *argv])
    try:
        # Wide enough for the table in a file or a pipe, where rich assumes 80 columns.
        width = None if sys.stdout.isatty() else 120
        _evaluate(options, line, rich.console.Console(width=width))
    except (ValueError, OSError) as error:
        errors = rich.console.Console(stderr=True)
        errors.print(f"[red]error:[/red] {rich.markup.escape(str(error))}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
