r"""Mine hard negatives, with scores if asked for: training data for `data.ranking`.

    python -m optical_jax.mine --collection DIR --queries train --output mined.jsonl
    python -m optical_jax.mine --collection DIR --queries en-train --write_queries sw-train \
        --by encoder --document_encoder TEACHER --scores encoder --output mined.jsonl

Candidates come from BM25, from an encoder, or from a TREC run; known positives and near
copies of them are left out. `--write_queries` writes other wordings of the same queries:
mined and scored in English, the examples teach a student of another language. Each line is
{"query", "positive", "negatives", "scores"}: format "jsonl" of a ranking source.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import rich.console
import tyro

from optical_jax import command
from optical_jax.data import collection as collection_lib
from optical_jax.data import staging
from optical_jax.data.collection import Collection
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import encode, mining, search, trec
from optical_jax.retrieval.bm25 import Bm25Config
from optical_jax.retrieval.encoder_options import EncoderOptions
from optical_jax.retrieval.mining import Mined, MiningConfig
from optical_jax.retrieval.searcher import Searcher, check_encoders
from optical_jax.retrieval.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Options(EncoderOptions):
    """The command's options."""

    # Folder of the collection: BEIR, MS MARCO or TREC layout, or prepared.
    collection: Path
    # Query set that candidates are searched with; its qrels say what is relevant.
    queries: str
    # The examples, as JSON lines.
    output: Path
    # Query set whose wording is written, by the same query ids; empty: the same.
    write_queries: str = ""
    # Query set whose wording is scored; empty: the one that is searched with.
    score_queries: str = ""
    # Whether documents of the BEIR layout start with their titles.
    titles: bool = True
    # Who ranks candidates: BM25, the encoders (workdir, or document_encoder and, if there is
    # one, query_encoder), or the run in the file `run`.
    by: Literal["bm25", "encoder", "run"] = "bm25"
    # A TREC run of candidates.
    run: Path | None = None
    # Scores beside the documents: none; MaxSim of the document encoder, which then encodes
    # the queries too; or those of the TREC run `score_run`, say a cross-encoder's.
    scores: Literal["none", "encoder", "run"] = "none"
    score_run: Path | None = None
    # Candidates of each query.
    depth: int = 200
    mining: MiningConfig = MiningConfig()
    bm25: Bm25Config = Bm25Config()
    # Encoded collections.
    cache: Path = Path("~/.cache/optical_jax")
    # Texts encoded at once.
    batch_size: int = 64

    def __post_init__(self) -> None:
        """Check that what is asked for is named."""
        for asked, name in (("by", "run"), ("scores", "score_run")):
            needed = getattr(self, asked) == "run"
            if needed != (getattr(self, name) is not None):
                raise ValueError(
                    f"{name} must name a TREC run if {asked} is 'run', and only then; got "
                    f"{asked} {getattr(self, asked)!r} and {name} {getattr(self, name)}"
                )
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1, got {self.depth}")


def mine(options: Options, console: rich.console.Console) -> int:
    """Mine examples and write them; return how many.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a query set or its judgments are missing, a query has no other
            wording, or no negative is left.
    """
    collection = collection_lib.load(
        options.collection.expanduser(), titles=options.titles
    )
    documents = dict(zip(collection.doc_ids, collection.documents, strict=True))
    qrels = {
        query_id: {d: r for d, r in judged.items() if d in documents}
        for query_id, judged in collection.qrels(options.queries).items()
        if query_id in collection.queries(options.queries)
    }
    written = _wording(collection, options.write_queries or options.queries, qrels)
    scored = None if options.score_run is None else trec.read_run(options.score_run)
    document_encoder = query_encoder = None
    if "encoder" in (options.by, options.scores):
        document_encoder, query_encoder = options.load_encoders()
    with command.live(console) as told:
        searcher = Searcher(
            collection=collection,
            document_encoder=document_encoder,
            bm25=options.bm25,
            cache=options.cache.expanduser(),
            depth=options.depth,
            batch_size=options.batch_size,
            mesh=None,
            told=told,
        )
        run = _candidates(options, searcher, query_encoder, qrels)
        mined, counts = mining.mine(
            run, qrels, documents.__getitem__, options.mining, scores=scored
        )
        if options.scores == "encoder":
            name = options.score_queries or options.queries
            scored = _maxsim(mined, searcher, _wording(collection, name, qrels))
    if not mined:
        raise ValueError(
            f"no query of {options.queries!r} has a positive and a negative left "
            f"({_shown(counts)}); raise depth, or leave less out (mining)"
        )
    rows = mining.examples(mined, written, documents.__getitem__, scores=scored)
    _write(options.output, rows)
    console.print(
        f"{len(mined):,} examples of {len(qrels):,} queries in {options.output}; "
        f"candidates: {_shown(counts)}",
        soft_wrap=True,
    )
    return len(mined)


def _wording(collection: Collection, name: str, qrels: trec.Qrels) -> dict[str, str]:
    """Return the judged queries as a query set words them."""
    texts = collection.queries(name)
    missing = [query_id for query_id in qrels if query_id not in texts]
    if missing:
        raise ValueError(
            f"query set {name!r} must have the query ids of the one that is mined, but "
            f"{missing[0]!r} is not there"
        )
    return {query_id: texts[query_id] for query_id in qrels}


def _candidates(
    options: Options,
    searcher: Searcher,
    query_encoder: Retriever | None,
    qrels: trec.Qrels,
) -> trec.Run:
    if options.run is not None:
        return trec.read_run(options.run)
    texts = _wording(searcher.collection, options.queries, qrels)
    task = Task(queries=options.queries, texts=texts, qrels=qrels)
    if options.by == "bm25":
        return searcher.lexical()(task)
    check_encoders(query_encoder, searcher.document_encoder)
    return searcher.dense(query_encoder or searcher.document_encoder)(task)


def _maxsim(
    mined: Sequence[Mined], searcher: Searcher, texts: dict[str, str]
) -> trec.Run:
    """Score each query's documents with the document encoder alone, the teacher."""
    query_ids = sorted({example.query_id for example in mined})
    queries = encode.encode_queries(
        searcher.document_encoder,
        [texts[query_id] for query_id in query_ids],
        batch_size=searcher.batch_size,
    )
    number = {query_id: i for i, query_id in enumerate(query_ids)}
    place = {doc_id: i for i, doc_id in enumerate(searcher.collection.doc_ids)}
    scores: trec.Run = {query_id: {} for query_id in query_ids}
    for example in mined:
        query = queries[number[example.query_id]]
        for doc_id in (example.positive, *example.negatives):
            _, best = search.matches(query, searcher.vectors[place[doc_id]])
            scores[example.query_id][doc_id] = float(best.sum())
    return scores


def _shown(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[reason]:,} {reason}" for reason in mining.REASONS)


def _write(path: Path, rows: Iterable[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with staging.file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


@command.reported
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = tyro.cli(
        Options, args=argv, prog="python -m optical_jax.mine", description=__doc__
    )
    command.set_up(options.cache)
    mine(options, rich.console.Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
