r"""Answer typed queries over a collection, and show which tokens matched.

    python -m optical_jax.search --query_encoder DIR --document_encoder DIR \
        --collection DIR [--query TEXT]
    python -m optical_jax.search --workdir W --collection DIR

Without --query it asks for one query after the other; an empty line ends it. The
collection is encoded once and cached by its content, and searched on all devices. Several
processes share the work (see the README's "Launch"), given --query; the first one prints.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import rich.console
import rich.markup
import rich.text
import tyro

from optical_jax import command
from optical_jax.data import collection as collection_lib
from optical_jax.data.collection import Collection
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import encode, index, searcher, sharded_search
from optical_jax.retrieval import search as search_lib
from optical_jax.retrieval.compressed import Storage
from optical_jax.retrieval.encoder_options import EncoderOptions
from optical_jax.retrieval.index import Index
from optical_jax.training import distributed

# Characters of a document that are shown.
_SNIPPET = 240


@dataclass(frozen=True, kw_only=True)
class Options(EncoderOptions):
    """The command's options."""

    # Folder of the collection: BEIR, MS MARCO or TREC layout, or prepared.
    collection: Path
    # Whether documents of the BEIR layout start with their titles, as in BEIR itself.
    titles: bool = True
    # One query; None: they are asked for.
    query: str | None = None
    # Documents to show for each query.
    k: int = 5
    # Encoded collections.
    cache: Path = Path("~/.cache/optical_jax")
    # How the documents' vectors are kept: residual-N is N bits a number.
    vectors: Storage = "float16"
    # Texts encoded at once.
    batch_size: int = 64


@dataclass(frozen=True)
class Match:
    """A query token and the document token closest to it."""

    query_token: str
    doc_token: str
    similarity: float


@dataclass(frozen=True)
class Hit:
    """A document found; its score is the sum of the matches' similarities."""

    doc_id: str
    document: str
    score: float
    # Empty if the head gives one vector for a whole text.
    matches: tuple[Match, ...]


def answer(
    text: str,
    *,
    query_encoder: Retriever,
    document_encoder: Retriever,
    documents: Index,
    collection: Collection,
    k: int = 5,
    mesh: jax.sharding.Mesh | None = None,
    prepared: search_lib.Prepared | None = None,
) -> list[Hit]:
    """Search an encoded collection for one query, best document first.

    Args:
        text: the query.
        query_encoder: gives its vectors.
        document_encoder: gave the documents'.
        documents: their index.
        collection: their texts.
        k: documents to return.
        mesh: whose devices search; see `sharded_search.search`.
        prepared: of the index's vectors, by `retrieval.search.prepare`; one device searches.

    Raises:
        ValueError: if the query is empty.
    """
    if not text.strip():
        raise ValueError("query must have text in it, got an empty one")
    query = encode.encode_queries(query_encoder, [text], batch_size=1)
    if prepared is not None:
        ranking = search_lib.search(query, documents.vectors, k=k, prepared=prepared)
    else:
        ranking = sharded_search.search(query, documents.vectors, k=k, mesh=mesh)
    query_tokens = []
    if query.token_ids[0] >= 0:
        query_tokens = query_encoder.text.tokens(query.token_ids)
    hits = []
    for i, score in zip(map(int, ranking.indices[0]), ranking.scores[0], strict=True):
        matches = []
        if query_tokens:
            start, stop = documents.vectors.offsets[i : i + 2]
            ids = documents.vectors.token_ids[start:stop]
            tokens = document_encoder.text.tokens(ids)
            places, values = search_lib.matches(query[0], documents.vectors[i])
            matches = [
                Match(query_token, tokens[place], float(value))
                for query_token, place, value in zip(
                    query_tokens, places, values, strict=True
                )
            ]
        doc_id, document = collection.doc_ids[i], collection.documents[i]
        hits.append(Hit(doc_id, document, float(score), tuple(matches)))
    return hits


def show(
    hits: Sequence[Hit], console: rich.console.Console, *, mask: str | None
) -> None:
    """Print documents with their scores and matches; expansion tokens are summed up."""
    for rank, hit in enumerate(hits, start=1):
        snippet = " ".join(hit.document.split())
        if len(snippet) > _SNIPPET:
            snippet = snippet[:_SNIPPET].rsplit(" ", 1)[0] + " …"
        line = rich.text.Text(f"{rank}. ")
        line.append(f"{hit.score:.3f}", style="bold")
        line.append(f"  {hit.doc_id}  ", style="cyan").append(snippet)
        console.print(line)
        matches = rich.text.Text("   ")
        for match in hit.matches:
            if match.query_token == mask:
                continue
            # Brighter, the closer: pale matches contribute least.
            style = "green" if match.similarity >= 0.5 else "dim"
            found = f"{match.query_token}→{match.doc_token} {match.similarity:.2f}  "
            matches.append(found, style=style)
        expansion = [m.similarity for m in hit.matches if m.query_token == mask]
        if expansion:
            matches.append(
                f"{mask} x{len(expansion)} {sum(expansion):.2f}", style="dim"
            )
        if hit.matches:
            console.print(matches)


def _queries(query: str | None, console: rich.console.Console) -> Iterator[str]:
    if query is not None:
        yield query
        return
    while True:
        try:
            text = console.input("[bold]query>[/bold] ").strip()
        except EOFError:
            return
        if not text:
            return
        yield text


def _search(options: Options, console: rich.console.Console) -> None:
    cache, mesh = options.cache.expanduser(), sharded_search.every_device()
    if options.query is None and jax.process_count() > 1:
        raise ValueError(
            f"query must be given where {jax.process_count()} processes search, got none: "
            "only one of them could ask for it"
        )
    with distributed.leader_first("search"):
        collection = collection_lib.load(
            options.collection.expanduser(), titles=options.titles, cache=cache
        )
        document_encoder, query_encoder = options.load_encoders()
    searcher.check_encoders(query_encoder, document_encoder)
    query_encoder = query_encoder or document_encoder
    with command.live(console) as told:
        documents = index.build(
            document_encoder,
            collection.doc_ids,
            collection.documents,
            cache=cache,
            storage=options.vectors,
            batch_size=options.batch_size,
            mesh=mesh,
            progress=lambda *done: told("encode documents", *done),
        )
    console.print(f"{len(collection.doc_ids):,} documents of {collection.name}")
    # Of a single query, preparing would cost more than it saves; several devices share the
    # blocks of each search.
    prepared = None
    if options.query is None and mesh is None:
        prepared = search_lib.prepare(documents.vectors)
    for text in _queries(options.query, console):
        hits = answer(
            text,
            query_encoder=query_encoder,
            document_encoder=document_encoder,
            documents=documents,
            collection=collection,
            k=options.k,
            prepared=prepared,
            mesh=mesh,
        )
        show(hits, console, mask=query_encoder.text.special.mask)


@command.reported
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = tyro.cli(
        Options, args=argv, prog="python -m optical_jax.search", description=__doc__
    )
    command.set_up(options.cache)
    distributed.start()
    console = rich.console.Console(quiet=not distributed.is_leader())
    with distributed.together("the corpus's shards that are done are kept"):
        _search(options, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
