"""Small sources of ranking examples, and what opens them."""

import json

import numpy as np

from optical_jax.data.ranking import RankingExamples
from optical_jax.data.ranking_sources import RankingSource


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{line}\n" for line in text), encoding="utf-8")


def open_sources(root, *sources, negatives=1, **settings):
    settings = {"seed": 0, **settings}
    cache = root / "cache"
    return RankingExamples(
        sources, root=root, cache=cache, negatives=negatives, **settings
    )


def read_all(examples):
    return examples.read(np.arange(len(examples)))


JSONL = RankingSource(name="json", format="jsonl", examples="t.jsonl")
LANGUAGES = ("sw", "yo", "ha")


def by_id(language, examples="triples.tsv", **fields):
    return RankingSource(
        name=language,
        format="ids",
        examples=examples,
        queries=f"queries.{language}.tsv",
        collection=f"collection.{language}.tsv",
        language=language,
        **fields,
    )


def write_parallel(folder):
    """Write queries and documents of the same ids in three languages; 12 triples, 8 n-way."""
    for language in LANGUAGES:
        queries = [f"{q}\t{language} query {q}" for q in range(6)]
        documents = [f"d{d}\t{language} doc {d}" for d in range(20)]
        # The order of the lines is no part of what they say.
        write_lines(folder / f"queries.{language}.tsv", queries)
        turn = LANGUAGES.index(language)
        write_lines(
            folder / f"collection.{language}.tsv", documents[turn:] + documents[:turn]
        )
    write_lines(
        folder / "triples.tsv",
        [f"{i % 6}\td{i}\td{i + 1}\td{i + 2}" for i in range(12)],
    )
    n_way = [
        [i % 6, *([f"d{i + k}", -1.5 * k] for k in (2, 0, 1, 3))] for i in range(8)
    ]
    write_lines(folder / "scores.jsonl", n_way)
