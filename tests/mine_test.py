import json

import numpy as np
import pytest

from optical_jax import command, mine
from optical_jax.data.ranking import RankingExamples
from optical_jax.data.ranking_sources import RankingSource
from optical_jax.models import folder
from optical_jax.retrieval import encode, search
from tests.models import tiny
from tests.retrieval import world


@pytest.fixture(autouse=True)
def _no_compilation_cache(monkeypatch):
    """The setting is the process's and would outlive the test."""
    monkeypatch.setattr(command, "set_up", lambda cache: None)


@pytest.fixture
def base(tmp_path):
    collection = world.write(tmp_path / "tiny")
    return [
        *("--collection", str(collection), "--queries", "en-test", "--no-titles"),
        *(
            "--output",
            str(tmp_path / "mined.jsonl"),
            "--cache",
            str(tmp_path / "cache"),
        ),
    ]


def _rows(tmp_path):
    lines = (tmp_path / "mined.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_bm25_mines_what_training_reads(tmp_path, base, capsys):
    assert mine.main([*base, "--write_queries", "xx-test"]) == 0
    rows = _rows(tmp_path)
    assert "candidates: 3 kept, 6 positive" in capsys.readouterr().out
    # "who wrote the book" finds d2 beside its answer; the text written is the other set's.
    assert rows[0]["query"] == "habari book"
    assert rows[0]["doc_ids"] == ["d1", "d2"]
    assert rows[0]["negatives"] == ["the word of the book and dunia"]
    source = RankingSource(name="mined", format="jsonl", examples="mined.jsonl")
    examples = RankingExamples(
        (source,), root=tmp_path, cache=tmp_path / "cache", negatives=1
    )
    read = examples.read(np.array([0]))[0]
    assert read["document"] == [rows[0]["positive"], *rows[0]["negatives"]]


def test_an_encoder_mines_and_scores(tmp_path, base):
    model = tiny.make(tiny.TOKENWISE)
    folder.save(model, tmp_path / "teacher")
    encoder = ("--by", "encoder", "--document_encoder", str(tmp_path / "teacher"))
    scored = ("--scores", "encoder", "--score_queries", "xx-test")
    assert mine.main([*base, *encoder, *scored, "--mining.negatives", "2"]) == 0
    rows = _rows(tmp_path)
    assert len(rows) == 4
    for row in rows:
        texts = [row["positive"], *row["negatives"]]
        asked = world.QUERIES["xx-test"][row["query_id"]]
        query = encode.encode_queries(model, [asked])
        documents = encode.encode_documents(model, texts)
        expected = search.search(query, documents, k=3)
        order = np.argsort(expected.indices[0])
        np.testing.assert_allclose(row["scores"], expected.scores[0][order], atol=1e-2)


def test_a_run_gives_candidates_and_another_scores(tmp_path, base):
    lines = ["q2 Q0 d1 1 5.0 x", "q2 Q0 d2 2 4.0 x", "q2 Q0 d3 3 3.0 x"]
    (tmp_path / "run").write_text("\n".join(lines) + "\n")
    (tmp_path / "scores").write_text("q2 Q0 d3 1 7.5 x\nq2 Q0 d2 2 -1.25 x\n")
    files = ("--run", str(tmp_path / "run"), "--score_run", str(tmp_path / "scores"))
    assert mine.main([*base, "--by", "run", "--scores", "run", *files]) == 0
    (row,) = _rows(tmp_path)
    assert (row["doc_ids"], row["scores"]) == (["d3", "d2"], [7.5, -1.25])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--queries", "zz"], "has no query set 'zz'"),
        (["--by", "encoder"], "document_encoder must name a retriever folder"),
        (["--mining.skip", "99"], "has a positive and a negative left"),
    ],
)
def test_errors_are_said_in_one_line(tmp_path, base, capsys, arguments, message):
    assert mine.main([*base, *arguments]) == 1
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "mined.jsonl").exists()


def test_a_run_is_named_if_it_is_asked_for(base, capsys):
    with pytest.raises(SystemExit):
        mine.main([*base, "--by", "run"])
    shown = " ".join(capsys.readouterr().err.split())
    assert "run must name a TREC run if by is 'run'" in shown
