import json

import numpy as np
import pytest

from optical_jax.data import triples


def _write(path, *rows):
    path.write_text(
        "".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in rows)
    )
    return path


def test_reads_queries_with_their_documents(tmp_path):
    row = {"query": "q", "positive": "p", "negatives": ["a", "b"]}
    found = triples.read(_write(tmp_path / "t.jsonl", row, "\n", row), negatives=1)
    assert len(found) == 2
    assert found.read(np.array([1])) == [{"query": ["q"], "document": ["p", "a"]}]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{broken\n", r"line 1 is no object with query, positive and negatives"),
        ({"query": "q", "positive": "p"}, r"line 1 is no object .*'negatives'"),
        ({"query": "q", "positive": " ", "negatives": ["a"]}, r"must be texts"),
        (
            {"query": "q", "positive": "p", "negatives": []},
            r"has 0 negatives, .* asks for 1",
        ),
    ],
)
def test_damaged_lines_are_named(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        triples.read(_write(tmp_path / "t.jsonl", row), negatives=1)


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file"):
        triples.read(tmp_path / "none.jsonl", negatives=1)
    with pytest.raises(ValueError, match=r"is empty; it needs one JSON object a line"):
        triples.read(_write(tmp_path / "t.jsonl", "\n"), negatives=1)
