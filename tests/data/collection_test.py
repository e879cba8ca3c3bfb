import gzip
import json
from pathlib import Path

import pytest

from optical_jax.data import collection

CORPUS = [
    {"_id": "d2", "title": "", "text": "The moon."},
    {"_id": "d1", "title": "Sun", "text": "It is hot."},
]
HEADER = "query-id\tcorpus-id\tscore\n"


def _json_lines(rows: list[dict[str, str]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a collection with a file of queries for each query set."""
    root = tmp_path / "tiny"
    (root / "queries").mkdir(parents=True)
    (root / "qrels").mkdir()
    (root / "corpus.jsonl").write_text(_json_lines(CORPUS))
    for name in ("swa-test", "swa-en-test"):
        row = {"_id": f"{name}-0", "text": f"what of {name}"}
        (root / "queries" / f"{name}.jsonl").write_text(_json_lines([row]))
    (root / "qrels" / "swa-test.tsv").write_text(f"{HEADER}swa-test-0\td1\t1\n")
    return root


def test_query_sets_in_files_of_their_own(folder: Path) -> None:
    loaded = collection.load(folder)
    assert loaded.name == "tiny"
    assert loaded.doc_ids == ["d1", "d2"]
    assert loaded.documents == ["Sun It is hot.", "The moon."]
    assert loaded.query_sets == ["swa-en-test", "swa-test"]
    assert loaded.queries("swa-test") == {"swa-test-0": "what of swa-test"}
    assert loaded.qrels("swa-test") == {"swa-test-0": {"d1": 1}}


def _same_on_disk(folder: Path, cache: Path, **options: bool) -> None:
    held = collection.load(folder, **options)
    found = collection.load(folder, cache=cache, **options)
    assert found.doc_ids == held.doc_ids
    assert len(found.documents) == len(held.documents)
    assert list(found.documents) == held.documents
    assert found.documents[::-1] == held.documents[::-1]
    assert found.documents[-1] == held.documents[-1]
    assert found.texts() == held.texts()


@pytest.mark.parametrize("titles", [True, False])
def test_documents_may_stay_on_disk(folder: Path, tmp_path: Path, titles: bool) -> None:
    # In the order of the characters, whatever the order of the lines and their bytes.
    more = [
        {"_id": i, "title": i, "text": f"of {i}"} for i in ("é", "z", "ạ", "D", "d10")
    ]
    (folder / "corpus.jsonl").write_text(_json_lines([*CORPUS, *more]) + "\n\n")
    _same_on_disk(folder, tmp_path / "cache", titles=titles)
    packed = gzip.compress((folder / "corpus.jsonl").read_bytes())
    (folder / "corpus.jsonl").unlink()
    (folder / "corpus.jsonl.gz").write_bytes(packed)
    _same_on_disk(folder, tmp_path / "cache", titles=titles)
    made = collection.prepare(collection.load(folder), data_dir=tmp_path / "data")
    _same_on_disk(made, tmp_path / "cache")


def test_tables_may_stay_on_disk(tmp_path: Path) -> None:
    (tmp_path / "collection.tsv").write_text("b\ttwo \n\na\tone\ttab\n")
    (tmp_path / "queries.dev.tsv").write_text("1\twhat\n")
    _same_on_disk(tmp_path, tmp_path / "cache")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"_id": "a", "text": "x"}\n{"_id": "a"}\n', "line 2: expected a JSON object"),
        ('{"_id": "a", "text": "x"}\n' * 2, "_id 'a' occurs twice"),
    ],
)
def test_a_malformed_corpus_on_disk_is_named(
    folder: Path, tmp_path: Path, lines: str, message: str
) -> None:
    (folder / "corpus.jsonl").write_text(lines)
    with pytest.raises(ValueError, match=message):
        collection.load(folder, cache=tmp_path / "cache")


def test_unknown_query_set_lists_those_there(folder: Path) -> None:
    loaded = collection.load(folder)
    with pytest.raises(
        ValueError, match="no query set 'swa'; it has swa-en-test, swa-"
    ):
        loaded.queries("swa")
    with pytest.raises(ValueError, match=r"no query set 'x'"):
        loaded.qrels("x")
    with pytest.raises(ValueError, match="no relevance .*'swa-en-test'.* for swa-test"):
        loaded.qrels("swa-en-test")


def test_one_file_of_queries_for_all_sets(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl.gz").write_bytes(
        gzip.compress(_json_lines(CORPUS).encode())
    )
    queries = [{"_id": "1", "text": "one"}, {"_id": "2", "text": "two"}]
    (tmp_path / "queries.jsonl").write_text(_json_lines(queries))
    (tmp_path / "qrels" / "dev.tsv").write_text(f"{HEADER}1\td1\t1\n")
    (tmp_path / "qrels" / "test.tsv").write_text(f"{HEADER}2\td2\t1\n")
    loaded = collection.load(tmp_path)
    assert loaded.queries("dev") == {"1": "one"}
    assert loaded.queries("test") == {"2": "two"}


def test_tables_of_ms_marco_and_topics_of_trec(tmp_path: Path) -> None:
    (tmp_path / "collection.tsv").write_text("7\tThe sun.\n10\tThe moon.\n")
    (tmp_path / "queries.dev.small.tsv").write_text("1\twhat shines\n")
    (tmp_path / "qrels.dev.small.tsv").write_text("1\t0\t7\t1\n")
    (tmp_path / "topics.old.txt").write_text("<top><num>2<title>night</top>")
    (tmp_path / "qrels.old.txt").write_text("2 0 10 1\n")
    loaded = collection.load(tmp_path)
    assert loaded.doc_ids == ["10", "7"]
    assert loaded.queries("dev.small") == {"1": "what shines"}
    assert loaded.queries("old") == {"2": "night"}
    assert loaded.qrels("old") == {"2": {"10": 1}}


def test_prepared_collection_is_the_same(folder: Path, tmp_path: Path) -> None:
    loaded = collection.load(folder)
    directory = collection.prepare(loaded, data_dir=tmp_path / "cache")
    assert collection.load(directory) == loaded
    assert collection.prepare(loaded, data_dir=tmp_path / "cache") == directory
    (folder / "corpus.jsonl").write_text(_json_lines(CORPUS).replace("hot", "warm"))
    changed = collection.prepare(collection.load(folder), data_dir=tmp_path / "cache")
    assert changed != directory


def test_titles_can_be_left_out(folder: Path) -> None:
    assert "Sun It is hot." in collection.load(folder).documents
    assert "It is hot." in collection.load(folder, titles=False).documents


def test_texts_that_training_must_not_hold(folder: Path) -> None:
    texts = collection.excluded_texts([folder])
    assert {"The moon.", "Sun It is hot.", "what of swa-en-test"} <= texts
    assert collection.excluded_texts([]) == frozenset()
    kept = collection.excluded_texts([folder], but=("swa-en-test",))
    assert texts - kept == {"what of swa-en-test"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"_id": "d", "text": "x"}\n{"_id": "d", "text": "y"}', r"line 2: .* twice"),
        ('{"_id": "d"}', r"corpus.jsonl, line 1: expected a JSON object with '_id'"),
        ('["d"]', "line 1: expected a JSON object"),
        ("{", "line 1: expected a JSON object"),
        ("\n", "corpus.jsonl is empty"),
        ('{"_id": "d9", "text": "x"}', "none of the documents judged in .*'swa-test'"),
    ],
)
def test_bad_documents(folder: Path, text: str, message: str) -> None:
    (folder / "corpus.jsonl").write_text(text)
    with pytest.raises(ValueError, match=message):
        collection.load(folder)


def test_not_a_collection(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="neither corpus.jsonl"):
        collection.load(tmp_path)
