"""A collection of a few documents as a BEIR folder, for the tests of the commands."""

import json
from pathlib import Path

DOCUMENTS = {
    "d1": ("Habari", "who wrote the book"),
    "d2": ("", "the word of the book and dunia"),
    "d3": ("Dunia", "asubuhi rere"),
    "d4": ("", "habari dunia habari"),
}
QUERIES = {
    "xx-test": {"q1": "habari book", "q2": "dunia", "q3": "zzz"},
    "en-test": {"q1": "who wrote the book", "q2": "rere dunia", "q3": "word"},
}
QRELS = {"q1": {"d1": 1}, "q2": {"d3": 1, "d4": 1}, "q3": {"d2": 2}}


def write(folder: Path, *, qrels: dict | None = None) -> Path:
    """Write the collection, both query sets with the same qrels."""
    (folder / "queries").mkdir(parents=True)
    (folder / "qrels").mkdir()
    with (folder / "corpus.jsonl").open("w") as file:
        for doc_id, (title, text) in DOCUMENTS.items():
            row = {"_id": doc_id, "title": title, "text": text}
            file.write(json.dumps(row) + "\n")
    for name, queries in QUERIES.items():
        rows = (json.dumps({"_id": q, "text": text}) for q, text in queries.items())
        (folder / "queries" / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
        lines = [
            f"{q}\t{d}\t{relevance}"
            for q, documents in (QRELS if qrels is None else qrels).items()
            for d, relevance in documents.items()
        ]
        text = "\n".join(["query-id\tcorpus-id\tscore", *lines]) + "\n"
        (folder / "qrels" / f"{name}.tsv").write_text(text)
    return folder
