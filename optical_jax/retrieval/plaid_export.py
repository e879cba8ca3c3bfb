"""A collection as a PLAID index for fast-plaid and PyLate, measured against exact search.

OUTPUT/fast_plaid_index/    what fast-plaid opens; PyLate looks for it by this name
OUTPUT/document_ids.json    document i of the index is the i-th doc_id
OUTPUT/README.md            how to search it
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from optical_jax.data.collection import Collection
from optical_jax.models import folder as folder_lib
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import encode, index, plaid, residual, sharded_search
from optical_jax.retrieval.searcher import Stages

INDEX = "fast_plaid_index"
IDS = "document_ids.json"
# Queries that the index is measured with, and how many documents each one finds.
_MEASURED = 64
_DEPTHS = (10, 100)
# Words of a document that stand for a query where a collection has none.
_WORDS = 8


@dataclass(frozen=True)
class Report:
    """What was written, and how much of exact search the index keeps.

    Attributes:
        documents: number of documents.
        vectors: number of their vectors.
        bits: of each number of a residual.
        centroids: number of centroids.
        bytes: size of the index on disk.
        queries: number of queries it was measured with.
        of: where they come from.
        recall: depth -> share of the documents of exact MaxSim that the index finds.
    """

    documents: int
    vectors: int
    bits: int
    centroids: int
    bytes: int
    queries: int
    of: str
    recall: dict[int, float]

    def text(self) -> str:
        """Say it in a sentence or two."""
        found = ", ".join(
            f"{share:.3f} of the top {k}" for k, share in self.recall.items()
        )
        return (
            f"{self.documents} documents, {self.vectors} vectors, {self.centroids} "
            f"centroids, {self.bits} bits: {self.bytes / 1e6:.1f} MB. Of what exact MaxSim "
            f"finds, the index keeps {found} ({self.queries} queries: {self.of})."
        )


def export(
    collection: Collection,
    output: Path,
    *,
    document_encoder: Retriever,
    query_encoder: Retriever | None = None,
    bits: int = 4,
    seed: int = 0,
    cache: Path,
    batch_size: int = 64,
    progress: Stages | None = None,
) -> Report:
    """Encode a collection, or take it from the cache, and write its index.

    Args:
        collection: documents, and perhaps queries to measure with.
        output: a folder that does not exist yet, or is empty.
        document_encoder: a multi-vector retriever.
        query_encoder: encodes the queries; None: the same one.
        bits: of each number of a residual: 1, 2 or 4.
        seed: of the draws.
        cache: folder of encoded collections.
        batch_size: texts encoded at once.
        progress: told about encoding and compressing.

    Raises:
        ValueError: if the encoder gives one vector a text, its width does not fit the
            bits, or the output has content.
    """
    _check(document_encoder, bits)
    told = progress or (lambda *_: None)
    encoded = index.build(
        document_encoder,
        collection.doc_ids,
        collection.documents,
        cache=cache.expanduser(),
        batch_size=batch_size,
        progress=lambda *done: told("documents", *done),
    )
    with folder_lib.staged(output) as folder:
        made = plaid.write(
            encoded.vectors,
            folder / INDEX,
            bits=bits,
            seed=seed,
            progress=lambda *done: told("compress", *done),
        )
        texts, of = _queries(collection)
        queries = encode.encode_queries(query_encoder or document_encoder, texts)
        report = Report(
            documents=len(encoded.vectors),
            vectors=int(encoded.vectors.offsets[-1]),
            bits=bits,
            centroids=len(made.codec.centroids),
            bytes=sum(file.stat().st_size for file in (folder / INDEX).iterdir()),
            queries=len(texts),
            of=of,
            recall=_recall(queries, encoded.vectors, made),
        )
        ids = json.dumps(collection.doc_ids, ensure_ascii=False, indent=0)
        (folder / IDS).write_text(ids + "\n", encoding="utf-8")
        readme = _README.format(name=output.name, report=report.text())
        (folder / "README.md").write_text(readme, encoding="utf-8")
    return report


def _check(encoder: Retriever, bits: int) -> None:
    if encoder.head.kind != "multi-vector":
        raise ValueError(
            "a PLAID index holds a vector for each token, got an encoder of one vector a "
            "text; give a multi-vector retriever"
        )
    residual.check(encoder.width, bits)


def _queries(collection: Collection) -> tuple[Sequence[str], str]:
    for name in collection.query_sets:
        texts = list(collection.queries_of[name].values())
        if texts:
            return texts[:_MEASURED], name
    step = max(1, len(collection.documents) // _MEASURED)
    some = collection.documents[::step][:_MEASURED]
    return [" ".join(text.split()[:_WORDS]) for text in some], "beginnings of documents"


def _recall(
    queries: encode.TokenVectors, vectors: encode.TokenVectors, made: plaid.Plaid
) -> dict[int, float]:
    deepest = _DEPTHS[-1]
    exact = sharded_search.search(queries, vectors, k=deepest)
    found = plaid.search(queries, made, k=deepest)
    shares = {}
    for k in _DEPTHS:
        if k > len(vectors) and shares:
            break
        pairs = zip(exact.indices[:, :k], found.indices[:, :k], strict=True)
        shares[k] = float(np.mean([np.isin(w, f).mean() for w, f in pairs]))
    return shares


_README = """\
# {name}

A PLAID index written by optical_jax. {report}

`document_ids.json` is the list of doc_ids: document i of the index is its i-th entry.

## fast-plaid (1.4)

```python
import json
from fast_plaid import search

index = search.FastPlaid(index="{name}/fast_plaid_index", device="cpu")
ids = json.load(open("{name}/document_ids.json", encoding="utf-8"))
found = index.search(query_vectors, top_k=10)  # query_vectors: [queries, tokens, width]
named = [[(ids[i], score) for i, score in documents] for documents in found]
```

## PyLate (1.6)

PyLate keeps doc_ids in two pickles beside the index. Pickles run code when they are read, so
none comes with this folder; make them once, of the list:

```python
import json, pickle
from pathlib import Path
from pylate import indexes

folder = Path("{name}").resolve()
ids = json.loads((folder / "document_ids.json").read_text(encoding="utf-8"))
with open(folder / "plaid_ids_to_documents_ids.pkl", "wb") as file:
    pickle.dump(dict(enumerate(ids)), file)
with open(folder / "documents_ids_to_plaid_ids.pkl", "wb") as file:
    pickle.dump({{doc_id: i for i, doc_id in enumerate(ids)}}, file)
index = indexes.PLAID(index_folder=str(folder.parent), index_name=folder.name)
```
"""
