import itertools
import json

import numpy as np
import pytest

from optical_jax.data.ranking import RankingExamples
from optical_jax.data.ranking_sources import RankingSource


def _lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{line}\n" for line in text), encoding="utf-8")


def _open(root, *sources, negatives=1, **settings):
    settings = {"seed": 0, **settings}
    cache = root / "cache"
    return RankingExamples(
        sources, root=root, cache=cache, negatives=negatives, **settings
    )


def _all(examples):
    return examples.read(np.arange(len(examples)))


_JSONL = RankingSource(name="json", format="jsonl", examples="t.jsonl")
_IDS = ("sw", "yo", "ha")


def _ids(language, examples="triples.tsv", **fields):
    return RankingSource(
        name=language,
        format="ids",
        examples=examples,
        queries=f"queries.{language}.tsv",
        collection=f"collection.{language}.tsv",
        language=language,
        **fields,
    )


@pytest.fixture
def parallel(tmp_path):
    """Queries and documents of the same ids in three languages; 12 triples, 8 n-way."""
    for language in _IDS:
        queries = [f"{q}\t{language} query {q}" for q in range(6)]
        documents = [f"d{d}\t{language} doc {d}" for d in range(20)]
        # The order of the lines is no part of what they say.
        _lines(tmp_path / f"queries.{language}.tsv", queries)
        turn = _IDS.index(language)
        _lines(
            tmp_path / f"collection.{language}.tsv", documents[turn:] + documents[:turn]
        )
    _lines(
        tmp_path / "triples.tsv",
        [f"{i % 6}\td{i}\td{i + 1}\td{i + 2}" for i in range(12)],
    )
    n_way = [
        [i % 6, *([f"d{i + k}", -1.5 * k] for k in (2, 0, 1, 3))] for i in range(8)
    ]
    _lines(tmp_path / "scores.jsonl", n_way)
    return tmp_path


def test_json_lines_give_the_positive_first_and_drawn_negatives(tmp_path):
    rows = [
        {
            "query": f"q{i}",
            "positive": f"p{i}",
            "negatives": [f"n{i}{k}" for k in "abc"],
        }
        for i in range(30)
    ]
    _lines(tmp_path / "t.jsonl", rows)
    found = _all(_open(tmp_path, _JSONL, negatives=2))
    drawn = set()
    for row, example in zip(rows, found, strict=True):
        assert example["query"] == [row["query"]]
        first, *others = example["document"]
        assert first == row["positive"]
        assert others in [list(c) for c in itertools.combinations(row["negatives"], 2)]
        drawn.add("".join(name[-1] for name in others))
    assert drawn == {"ab", "ac", "bc"}
    whole = _all(_open(tmp_path, _JSONL, negatives=3))
    assert whole[4]["document"] == ["p4", "n4a", "n4b", "n4c"]


def test_scores_stay_with_their_documents(tmp_path):
    rows = [
        {
            "query": "q",
            "positive": "p",
            "negatives": ["3", "2", "1"],
            "scores": [9, 3, 2, 1],
        }
    ] * 9
    _lines(tmp_path / "t.jsonl", rows)
    examples = _open(tmp_path, _JSONL, negatives=2)
    assert examples.scored
    for row in _all(examples):
        assert row["scores"] == [9.0, *(float(d) for d in row["document"][1:])]


def test_triples_and_n_way_examples_by_identifier(parallel):
    triples = _open(parallel, _ids("sw"), negatives=2)
    assert not triples.scored
    assert _all(triples)[7] == {
        "query": ["sw query 1"],
        "document": ["sw doc 7", "sw doc 8", "sw doc 9"],
    }
    n_way = _open(parallel, _ids("yo", "scores.jsonl"), negatives=3)
    assert n_way.scored
    assert _all(n_way)[3] == {
        "query": ["yo query 3"],
        "document": ["yo doc 5", "yo doc 3", "yo doc 4", "yo doc 6"],
        "scores": [-3.0, 0.0, -1.5, -4.5],
    }


def test_passages_drawn_at_random_have_the_best_scored_first(parallel):
    source = _ids("sw", "scores.jsonl", first_is_positive=False)
    examples = _open(parallel, source, negatives=1)
    seen = set()
    for k in range(20):
        for row in examples.read(np.arange(k % 8 + 1)):
            assert row["scores"] == sorted(row["scores"], reverse=True)
            seen.add(tuple(row["scores"]))
    # Every pair of the four documents occurs, not the file's first alone.
    assert len(seen) == 6


def test_judged_collections_draw_negatives_that_are_not_relevant(tmp_path, rng):
    corpus = [{"_id": f"d{i}", "title": "T", "text": f"doc {i}"} for i in range(6)]
    _lines(tmp_path / "c" / "corpus.jsonl", corpus)
    queries = [{"_id": "a", "text": "query a"}, {"_id": "b", "text": "query b"}]
    _lines(tmp_path / "c" / "queries.jsonl", queries)
    judged = [
        ("a", "d0", 2),
        ("a", "d1", 1),
        ("a", "d2", 0),
        ("b", "d3", 1),
        ("b", "gone", 2),
    ]
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, r)) for r in judged)]
    _lines(tmp_path / "c" / "qrels" / "train.tsv", lines)
    source = RankingSource(
        name="wiki", format="beir", examples="train", collection="c", titles=False
    )
    examples = _open(tmp_path, source, negatives=3)
    assert len(examples) == 3
    seen = {"query a": set(), "query b": set()}
    for _ in range(30):  # other batches draw other negatives
        for row in examples.read(rng.integers(3, size=4)):
            positive, *negatives = row["document"]
            assert len({positive, *negatives}) == 4
            seen[row["query"][0]].update(negatives)
            if row["query"] == ["query a"]:
                assert positive in ("doc 0", "doc 1")
                assert "doc 2" in negatives  # judged and not relevant
    assert seen["query a"] == {"doc 2", "doc 3", "doc 4", "doc 5"}
    assert seen["query b"] == {"doc 0", "doc 1", "doc 2", "doc 4", "doc 5"}
    strict = RankingSource(
        name="wiki", format="beir", examples="train", collection="c", relevance=2
    )
    only = _open(tmp_path, strict, negatives=1)
    assert [row["document"][0] for row in _all(only)] == ["T doc 0"]


def test_pairs_keep_a_language_and_draw_other_passages(tmp_path):
    rows = [
        {"question": f"q{i}", "title": "T", "passage": f"p{i}", "lang": lang}
        for i, lang in enumerate(["sw", "yo"] * 4)
    ]
    _lines(tmp_path / "swim.jsonl", rows)
    source = RankingSource(
        name="swim", format="pairs", examples="swim.jsonl", language="sw"
    )
    examples = _open(tmp_path, source, negatives=2)
    assert [row["query"][0] for row in _all(examples)] == ["q0", "q2", "q4", "q6"]
    texts = {f"T p{i}" for i in (0, 2, 4, 6)}
    for row in _all(examples):
        assert set(row["document"]) <= texts
        assert len(set(row["document"])) == 3
    with pytest.raises(
        ValueError, match=r"no line of language 'ha'; its first .* 'sw'"
    ):
        _open(tmp_path, RankingSource(**{**vars(source), "language": "ha"}))


def test_every_source_has_its_share_and_its_weight(parallel):
    _lines(parallel / "t.jsonl", [{"query": "q", "positive": "p", "negatives": ["n"]}])
    sources = _ids("sw", weight=2.0), _JSONL
    examples = _open(parallel, *sources)
    groups = examples.groups()
    assert [(i.tolist(), w) for i, w in groups] == [(list(range(12)), 2.0), ([12], 1.0)]
    assert examples.read(np.array([12]))[0]["document"] == ["p", "n"]
    hashes = examples.positives(np.arange(13))
    assert len(set(hashes.tolist())) == 13


def test_mix_entries_keeps_each_entry_in_one_language(parallel):
    examples = _open(parallel, *map(_ids, _IDS), mixing="mix-entries")
    for place, language in enumerate(_IDS):
        for row in examples.read(np.arange(12) + 12 * place):
            texts = row["query"] + row["document"]
            assert {text.split()[0] for text in texts} == {language}


def test_mix_passages_draws_a_language_for_each_document(parallel):
    examples = _open(parallel, *map(_ids, _IDS), mixing="mix-passages", negatives=2)
    plain = _all(_open(parallel, _ids("sw"), negatives=2))
    languages = []
    for row, same in zip(examples.read(np.arange(12)), plain, strict=True):
        assert row["query"] == same["query"]
        # The same documents, whatever their languages.
        numbers = [text.split()[1:] for text in row["document"]]
        assert numbers == [text.split()[1:] for text in same["document"]]
        languages += [text.split()[0] for text in row["document"]]
    assert set(languages) == set(_IDS)


def test_round_robin_has_every_entry_once_in_every_language(parallel):
    sources = [_ids(language, "scores.jsonl") for language in _IDS]
    examples = _open(parallel, *sources, mixing="round-robin-entries", negatives=1)
    assert examples.languages == 3
    (indices, _), *others = examples.groups()
    assert not others
    assert len(indices) == 8
    for row in examples.read(indices):
        assert [text.split()[0] for text in row["query"]] == list(_IDS)
        assert len({text.split()[2] for text in row["query"]}) == 1
        documents = [text.split() for text in row["document"]]
        assert [d[0] for d in documents] == [x for x in _IDS for _ in range(2)]
        assert [d[2] for d in documents] == [d[2] for d in documents[:2]] * 3
        assert row["scores"] == row["scores"][:2] * 3


@pytest.mark.parametrize("mixing", ["mix-passages", "round-robin-entries"])
def test_languages_of_other_examples_do_not_mix(parallel, mixing):
    with pytest.raises(
        ValueError, match=r"needs sources of format 'ids' with the same"
    ):
        _open(parallel, _ids("sw"), _ids("yo", "scores.jsonl"), mixing=mixing)


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
    _lines(tmp_path / "t.jsonl", [row])
    with pytest.raises(ValueError, match=message):
        _open(tmp_path, _JSONL)


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
    _lines(parallel / "bad", [line])
    with pytest.raises(ValueError, match=message):
        _open(parallel, _ids("sw", "bad"))


def test_bad_pairs_are_named(tmp_path):
    source = RankingSource(name="swim", format="pairs", examples="p.jsonl")
    for row, message in (
        ({"text": "t"}, r"line 1 is no object with query \(or question\)"),
        ({"query": "q", "text": ""}, r"line 1: query and text must be texts"),
    ):
        _lines(tmp_path / "p.jsonl", [row])
        with pytest.raises(ValueError, match=message):
            _open(tmp_path, source)
    _lines(tmp_path / "p.jsonl", [{"query": "q", "text": "t"}])
    with pytest.raises(ValueError, match=r"too few documents to draw .* \(1\) from"):
        _all(_open(tmp_path, source))


def test_a_folder_without_the_query_set_is_named(tmp_path):
    _lines(tmp_path / "corpus.jsonl", [{"_id": 1, "text": "t"}])
    source = RankingSource(name="w", format="beir", examples="dev", collection=".")
    with pytest.raises(FileNotFoundError, match=r"has no qrels of query set 'dev'"):
        _open(tmp_path, source)


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
    for sources in ((), (_JSONL, _JSONL)):
        with pytest.raises(ValueError, match=r"needs sources with names that differ"):
            _open(tmp_path, *sources)
