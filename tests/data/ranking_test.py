import itertools

import numpy as np
import pytest

from optical_jax.data.ranking_sources import RankingSource
from tests.data import ranking_files
from tests.data.ranking_files import (
    JSONL,
    LANGUAGES,
    by_id,
    open_sources,
    read_all,
    write_lines,
)


@pytest.fixture
def parallel(tmp_path):
    ranking_files.write_parallel(tmp_path)
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
    write_lines(tmp_path / "t.jsonl", rows)
    found = read_all(open_sources(tmp_path, JSONL, negatives=2))
    drawn = set()
    for row, example in zip(rows, found, strict=True):
        assert example["query"] == [row["query"]]
        first, *others = example["document"]
        assert first == row["positive"]
        assert others in [list(c) for c in itertools.combinations(row["negatives"], 2)]
        drawn.add("".join(name[-1] for name in others))
    assert drawn == {"ab", "ac", "bc"}
    whole = read_all(open_sources(tmp_path, JSONL, negatives=3))
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
    write_lines(tmp_path / "t.jsonl", rows)
    examples = open_sources(tmp_path, JSONL, negatives=2)
    assert examples.scored
    for row in read_all(examples):
        assert row["scores"] == [9.0, *(float(d) for d in row["document"][1:])]


def test_triples_and_n_way_examples_by_identifier(parallel):
    triples = open_sources(parallel, by_id("sw"), negatives=2)
    assert not triples.scored
    assert read_all(triples)[7] == {
        "query": ["sw query 1"],
        "document": ["sw doc 7", "sw doc 8", "sw doc 9"],
    }
    n_way = open_sources(parallel, by_id("yo", "scores.jsonl"), negatives=3)
    assert n_way.scored
    assert read_all(n_way)[3] == {
        "query": ["yo query 3"],
        "document": ["yo doc 5", "yo doc 3", "yo doc 4", "yo doc 6"],
        "scores": [-3.0, 0.0, -1.5, -4.5],
    }


def test_passages_drawn_at_random_have_the_best_scored_first(parallel):
    source = by_id("sw", "scores.jsonl", first_is_positive=False)
    examples = open_sources(parallel, source, negatives=1)
    seen = set()
    for k in range(20):
        for row in examples.read(np.arange(k % 8 + 1)):
            assert row["scores"] == sorted(row["scores"], reverse=True)
            seen.add(tuple(row["scores"]))
    # Every pair of the four documents occurs, not the file's first alone.
    assert len(seen) == 6


def test_judged_collections_draw_negatives_that_are_not_relevant(tmp_path, rng):
    corpus = [{"_id": f"d{i}", "title": "T", "text": f"doc {i}"} for i in range(6)]
    write_lines(tmp_path / "c" / "corpus.jsonl", corpus)
    queries = [{"_id": "a", "text": "query a"}, {"_id": "b", "text": "query b"}]
    write_lines(tmp_path / "c" / "queries.jsonl", queries)
    judged = [
        ("a", "d0", 2),
        ("a", "d1", 1),
        ("a", "d2", 0),
        ("b", "d3", 1),
        ("b", "gone", 2),
    ]
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, r)) for r in judged)]
    write_lines(tmp_path / "c" / "qrels" / "train.tsv", lines)
    source = RankingSource(
        name="wiki", format="beir", examples="train", collection="c", titles=False
    )
    examples = open_sources(tmp_path, source, negatives=3)
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
    only = open_sources(tmp_path, strict, negatives=1)
    assert [row["document"][0] for row in read_all(only)] == ["T doc 0"]


def test_pairs_keep_a_language_and_draw_other_passages(tmp_path):
    rows = [
        {"question": f"q{i}", "title": "T", "passage": f"p{i}", "lang": lang}
        for i, lang in enumerate(["sw", "yo"] * 4)
    ]
    write_lines(tmp_path / "swim.jsonl", rows)
    source = RankingSource(
        name="swim", format="pairs", examples="swim.jsonl", language="sw"
    )
    examples = open_sources(tmp_path, source, negatives=2)
    assert [row["query"][0] for row in read_all(examples)] == ["q0", "q2", "q4", "q6"]
    texts = {f"T p{i}" for i in (0, 2, 4, 6)}
    for row in read_all(examples):
        assert set(row["document"]) <= texts
        assert len(set(row["document"])) == 3
    with pytest.raises(
        ValueError, match=r"no line of language 'ha'; its first .* 'sw'"
    ):
        open_sources(tmp_path, RankingSource(**{**vars(source), "language": "ha"}))


def test_every_source_has_its_share_and_its_weight(parallel):
    write_lines(
        parallel / "t.jsonl", [{"query": "q", "positive": "p", "negatives": ["n"]}]
    )
    sources = by_id("sw", weight=2.0), JSONL
    examples = open_sources(parallel, *sources)
    groups = examples.groups()
    assert [(i.tolist(), w) for i, w in groups] == [(list(range(12)), 2.0), ([12], 1.0)]
    assert examples.read(np.array([12]))[0]["document"] == ["p", "n"]
    hashes = examples.positives(np.arange(13))
    assert len(set(hashes.tolist())) == 13


def test_mix_entries_keeps_each_entry_in_one_language(parallel):
    examples = open_sources(parallel, *map(by_id, LANGUAGES), mixing="mix-entries")
    for place, language in enumerate(LANGUAGES):
        for row in examples.read(np.arange(12) + 12 * place):
            texts = row["query"] + row["document"]
            assert {text.split()[0] for text in texts} == {language}


def test_mix_passages_draws_a_language_for_each_document(parallel):
    examples = open_sources(
        parallel, *map(by_id, LANGUAGES), mixing="mix-passages", negatives=2
    )
    plain = read_all(open_sources(parallel, by_id("sw"), negatives=2))
    languages = []
    for row, same in zip(examples.read(np.arange(12)), plain, strict=True):
        assert row["query"] == same["query"]
        # The same documents, whatever their languages.
        numbers = [text.split()[1:] for text in row["document"]]
        assert numbers == [text.split()[1:] for text in same["document"]]
        languages += [text.split()[0] for text in row["document"]]
    assert set(languages) == set(LANGUAGES)


def test_round_robin_has_every_entry_once_in_every_language(parallel):
    sources = [by_id(language, "scores.jsonl") for language in LANGUAGES]
    examples = open_sources(
        parallel, *sources, mixing="round-robin-entries", negatives=1
    )
    assert examples.languages == 3
    (indices, _), *others = examples.groups()
    assert not others
    assert len(indices) == 8
    for row in examples.read(indices):
        assert [text.split()[0] for text in row["query"]] == list(LANGUAGES)
        assert len({text.split()[2] for text in row["query"]}) == 1
        documents = [text.split() for text in row["document"]]
        assert [d[0] for d in documents] == [x for x in LANGUAGES for _ in range(2)]
        assert [d[2] for d in documents] == [d[2] for d in documents[:2]] * 3
        assert row["scores"] == row["scores"][:2] * 3


@pytest.mark.parametrize("mixing", ["mix-passages", "round-robin-entries"])
def test_languages_of_other_examples_do_not_mix(parallel, mixing):
    with pytest.raises(
        ValueError, match=r"needs sources of format 'ids' with the same"
    ):
        open_sources(parallel, by_id("sw"), by_id("yo", "scores.jsonl"), mixing=mixing)
