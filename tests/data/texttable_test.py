import json

import pytest

from optical_jax.data import texttable


def _tsv(folder, *rows):
    path = folder / "t.tsv"
    path.write_text("".join(f"{name}\t{text}\n" for name, text in rows))
    return path


def test_finds_texts_by_identifier_in_any_order(tmp_path):
    rows = [(str(i), f"text {i}") for i in (10, 2, 33, 1, 205)]
    for _ in range(2):  # read, then found again
        table = texttable.load(_tsv(tmp_path, *rows), cache=tmp_path / "cache")
        places = table.find(["205", "nope", "1", "10"])
        assert places.tolist() == [4, -1, 3, 0]
        assert [table.text(int(i)) for i in places[[0, 2]]] == ["text 205", "text 1"]
        assert table.identifier(2) == "33"
        # Longer than every identifier there is, or a part of one.
        assert table.find(["205x", "20", ""]).tolist() == [-1, -1, -1]
        assert len(table) == 5


def test_json_lines_with_titles(tmp_path):
    path = tmp_path / "corpus.jsonl"
    rows = [{"_id": 7, "title": "T", "text": "one\ttab"}, {"_id": "é", "text": "two"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = texttable.load(path, cache=tmp_path / "cache")
    assert [table.text(int(i)) for i in table.find(["é", "7"])] == ["two", "T one\ttab"]
    plain = texttable.load(path, cache=tmp_path / "cache", titles=False)
    assert plain.text(0) == "one\ttab"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\ta\n2 b\n", r"line 2: expected 'identifier<tab>text', got '2 b'"),
        ("1\ta\n2\tb\n1\tc\n", r"identifier '1' occurs twice"),
        ('{"_id": 1, "txt": "a"}\n', r"line 1: expected a JSON object with '_id'"),
        ('{"_id": 1, "text": 5}\n', r"line 1: 'text' must be a text, got 5"),
        ('{"_id": 1, "text"\n', r"line 1: expected a JSON object"),
    ],
)
def test_bad_tables_are_named(tmp_path, content, message):
    path = tmp_path / "t.tsv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        texttable.load(path, cache=tmp_path / "cache")
