import itertools

import numpy as np
import pytest

from optical_jax.retrieval import trec


def test_to_run_names_documents_and_leaves_out_what_was_not_retrieved():
    run = trec.to_run(
        np.array([[2, 0, -1]], np.int32),
        np.array([[1.5, 0.5, -np.inf]], np.float32),
        query_ids=["q"],
        doc_ids=["a", "b", "c"],
    )
    assert run == {"q": {"c": 1.5, "a": 0.5}}
    assert list(run["q"]) == ["c", "a"]


@pytest.mark.parametrize("score", [1.0, 0.0, -3.5, 1e-30, 12345.678])
def test_strict_scores_fall_in_32_bits_in_the_order_given(score):
    ties = {f"d{i}": score for i in range(50)} | {"last": score - abs(score) * 1e-12}
    scores = list(trec.strict({"q": ties})["q"].values())
    assert all(np.float32(a) > np.float32(b) for a, b in itertools.pairwise(scores))
    np.testing.assert_allclose(scores, score, rtol=1e-4, atol=1e-43)


def test_strict_leaves_scores_alone_that_already_fall():
    run = {"q": {"a": 2.5, "b": 1.25}}
    assert trec.strict(run) == run


def test_strict_refuses_disorder():
    with pytest.raises(ValueError, match=r"ordered by score, got 2.0 for 'b'"):
        trec.strict({"q": {"a": 1.0, "b": 2.0}})
    with pytest.raises(ValueError, match="finite, got nan for document 'a'"):
        trec.strict({"q": {"a": float("nan")}})


def test_a_written_run_comes_back_in_the_same_order(tmp_path):
    # Ascending doc_ids on equal scores: the reverse of trec_eval's order.
    run = {"q1": {"a": 0.1, "b": 0.1, "c": 0.1}, "q2": {"z": 3.0}}
    path = tmp_path / "x.run"
    trec.write_run(path, run, tag="student")
    read = trec.read_run(path)
    assert {q: list(row) for q, row in read.items()} == {
        "q1": ["a", "b", "c"],
        "q2": ["z"],
    }
    scores = [np.float32(x) for x in read["q1"].values()]
    assert scores == [np.float32(x) for x in trec.strict(run)["q1"].values()]
    assert path.read_text().splitlines()[0].split()[:4] == ["q1", "Q0", "a", "1"]
    assert [p.name for p in tmp_path.iterdir()] == ["x.run"]


def test_a_run_of_others_is_read_in_trec_eval_order(tmp_path):
    path = tmp_path / "x.run"
    path.write_text("q 0 a 1 1.0 t\n\nq\tQ0\tb\t2\t1.0\tt\nq 0 c 3 7e0 t\n")
    assert list(trec.read_run(path)["q"]) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q Q0 d 1 0.5", r"x.run:2: must have 6 blank-separated columns .*, got 5"),
        ("q Q0 d one 0.5 t", "x.run:2: rank must be an integer, got 'one'"),
        ("q Q0 d 2 high t", "x.run:2: score must be a number, got 'high'"),
        ("q Q0 d 2 nan t", "x.run:2: score must be finite, got 'nan'"),
        ("q Q0 a 2 0.5 t", "x.run:2: document 'a' is a second time in the ranking"),
    ],
)
def test_a_malformed_run_names_its_line(tmp_path, line, message):
    path = tmp_path / "x.run"
    path.write_text(f"q Q0 a 1 0.9 t\n{line}\n")
    with pytest.raises(ValueError, match=message):
        trec.read_run(path)


def test_an_empty_run_is_refused(tmp_path):
    path = tmp_path / "x.run"
    path.write_text("\n")
    with pytest.raises(ValueError, match=r"x.run is empty; it must hold lines of"):
        trec.read_run(path)


@pytest.mark.parametrize(
    ("run", "tag", "message"),
    [
        ({"q": {"a b": 1.0}}, "t", "doc_id must be without blanks .* got 'a b'"),
        ({"": {"a": 1.0}}, "t", "query_id must be without blanks .* got ''"),
        ({"q": {"a": 1.0}}, "my run", "tag must be without blanks"),
    ],
)
def test_ids_with_blanks_cannot_be_written(tmp_path, run, tag, message):
    with pytest.raises(ValueError, match=message):
        trec.write_run(tmp_path / "x.run", run, tag=tag)
    assert not list(tmp_path.iterdir())
