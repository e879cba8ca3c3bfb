import gzip
import json
from pathlib import Path

import pytest

from optical_jax.data import texts
from optical_jax.data.texts import TextSource


def _read(tmp_path: Path, text: str, **options) -> list[str]:
    (tmp_path / "t").write_text(text, encoding="utf-8")
    return texts.read(TextSource(path="t", **options), root=tmp_path)


def test_lines_are_read_once_and_without_empty_ones(tmp_path: Path) -> None:
    assert _read(tmp_path, "Who  is it ?\n\nCafe\u0301\nWho is it ?\n") == [
        "Who is it ?",
        "Café",
    ]
    with gzip.open(tmp_path / "t.gz", "wt") as file:
        file.write("a\nb\n")
    assert texts.read(TextSource(path="t.gz"), root=tmp_path) == ["a", "b"]


def test_columns_and_fields(tmp_path: Path) -> None:
    assert _read(tmp_path, "1\tone\n2\ttwo\n", format="tsv", column=1) == ["one", "two"]
    rows = [{"_id": "1", "title": "Nile", "text": "A river. Long?  Yes."}]
    lines = "\n".join(map(json.dumps, rows))
    assert _read(tmp_path, lines, format="jsonl", field="title") == ["Nile"]
    found = _read(tmp_path, lines, format="jsonl", sentences=True)
    assert found == ["A river.", "Long?", "Yes."]
    assert _read(tmp_path, "一。二", sentences=True) == ["一。", "二"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a\tb\nc\n", {"format": "tsv", "column": 1}, r"line 2: expected a column 1"),
        ("[]\n", {"format": "jsonl"}, r"line 1: expected a JSON object with 'text'"),
        ("{}\n", {"format": "jsonl"}, r"line 1: expected a JSON object with 'text'"),
        ('{"text": 3}\n', {"format": "jsonl"}, r"'text' must be a text, got 3"),
        ("\n \n", {}, r"holds no text"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _read(tmp_path, text, **options)


def test_bad_settings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a path"):
        TextSource(path="")
    with pytest.raises(ValueError, match="counted from 0, got -1"):
        TextSource(path="t", column=-1)
    with pytest.raises(FileNotFoundError):
        texts.read(TextSource(path="t"), root=tmp_path)
