import pytest

from optical_jax.data.ranking_sources import RankingSource
from tests.data import ranking_files
from tests.data.ranking_files import JSONL, by_id, open_sources, read_all, write_lines


@pytest.fixture
def parallel(tmp_path):
    ranking_files.write_parallel(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{broken", r"line 1 is no object with query, positive and negatives"),
        ("[1]", r"line 1 is no object with query"),
        ({"query": "q", "negatives": ["a"]}, r"line 1 is no object .*'positive'"),
        ({"query": "q", "positive": " ", "negatives": ["a"]}, r"must be texts"),
        (
            {"query": "q", "positive": "p", "negatives": []},
            r"example 1 of t\.jsonl has 0 negatives, data\.negatives asks for 1",
        ),
        (
            {"query": "q", "positive": "p", "negatives": ["n"], "scores": [1]},
            r"line 1: scores must be a list with one for each of the 2 documents",
        ),
        (
            {"query": "q", "positive": "p", "negatives": ["n"], "scores": [1, "x"]},
            r"line 1: scores must be finite numbers",
        ),
    ],
)
def test_bad_json_lines_are_named(tmp_path, row, message):
    write_lines(tmp_path / "t.jsonl", [row])
    with pytest.raises(ValueError, match=message):
        open_sources(tmp_path, JSONL)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1", r"line 1: expected 'query_id doc_id .* \(it names no document\)"),
        ("[1, [2]]", r"line 1: expected 'query_id doc_id"),
        ("[1, [2, 0.5], 3]", r"line 1: expected 'query_id doc_id"),
        ("[1, [2, NaN]]", r"line 1: scores must be finite"),
        ("77\td1\td2", r"names query '77', which .*queries\.sw\.tsv does not hold"),
        ("1\td1\td99", r"names document 'd99', which .*collection\.sw\.tsv does not"),
    ],
)
def test_bad_identifiers_are_named(parallel, line, message):
    write_lines(parallel / "bad", [line])
    with pytest.raises(ValueError, match=message):
        open_sources(parallel, by_id("sw", "bad"))


def test_bad_pairs_are_named(tmp_path):
    source = RankingSource(name="swim", format="pairs", examples="p.jsonl")
    for row, message in (
        ({"text": "t"}, r"line 1 is no object with query \(or question\)"),
        ({"query": "q", "text": ""}, r"line 1: query and text must be texts"),
    ):
        write_lines(tmp_path / "p.jsonl", [row])
        with pytest.raises(ValueError, match=message):
            open_sources(tmp_path, source)
    write_lines(tmp_path / "p.jsonl", [{"query": "q", "text": "t"}])
    with pytest.raises(ValueError, match=r"too few documents to draw .* \(1\) from"):
        read_all(open_sources(tmp_path, source))


def test_a_folder_without_the_query_set_is_named(tmp_path):
    write_lines(tmp_path / "corpus.jsonl", [{"_id": 1, "text": "t"}])
    source = RankingSource(name="w", format="beir", examples="dev", collection=".")
    with pytest.raises(FileNotFoundError, match=r"has no qrels of query set 'dev'"):
        open_sources(tmp_path, source)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "a/b"}, r"a name is not empty and has no '/'"),
        ({"format": "ids", "queries": "q"}, r"format 'ids' needs collection"),
        ({"format": "beir"}, r"format 'beir' needs collection"),
        ({"examples": ""}, r"format 'jsonl' needs examples"),
        ({"weight": 0.0}, r"weight must be positive, got 0"),
        ({"relevance": 0}, r"relevance must be at least 1, got 0"),
    ],
)
def test_bad_sources_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        RankingSource(**{"name": "n", "format": "jsonl", "examples": "e", **fields})


def test_sources_need_names_that_differ(tmp_path):
    for sources in ((), (JSONL, JSONL)):
        with pytest.raises(ValueError, match=r"needs sources with names that differ"):
            open_sources(tmp_path, *sources)
