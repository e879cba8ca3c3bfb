"""Runs of the objectives over queries with documents, beside bitext, whole and in chunks."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from optical_jax import train
from optical_jax.config import DataConfig, OptimizerConfig
from optical_jax.data.passages import PassagesConfig
from optical_jax.data.ranking_sources import RankingSource
from optical_jax.objectives.contrastive import ContrastiveConfig
from optical_jax.objectives.mixture import ObjectiveConfig
from optical_jax.objectives.ranking_scores import RankingScoresConfig
from optical_jax.training import inputs
from tests.training import tiny_run

# One token each, so that every batch has the same shape.
_WORDS = ("habari", "dunia", "book", "the", "who", "word", "a", "n")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Bitext, passages, and queries with a scored positive and two negatives."""
    root = tmp_path_factory.mktemp("inputs")
    tiny_run.write_inputs(root)
    rows = []
    for i in range(64):
        word, *others = (_WORDS[(i + k) % 8] for k in (0, 3, 5))
        row = {
            "query": f"{word} {i}",
            "positive": f"{word} {word} x{i % 16}",
            "negatives": others,
            "scores": [4.0, 1.0, -1.0],
        }
        rows.append(json.dumps(row))
    (root / "scored.jsonl").write_text("\n".join(rows) + "\n")
    text = "\n".join(f"the book of dunia {i} kitabu" for i in range(20))
    (root / "passages.txt").write_text(text)
    return root


_SCORED = RankingSource(name="scored", format="jsonl", examples="scored.jsonl")


def _config(root, run, **fields):
    data = tiny_run.data(
        root,
        passages=PassagesConfig(path="passages.txt", length=10, nearest=4),
        ranking=(_SCORED,),
        negatives=2,
        window=1,
    )
    objective = ObjectiveConfig(
        mix="scores:20 + ranking-scores:0.1",
        ranking_scores=RankingScoresConfig(documents="teacher"),
    )
    base = {
        "steps": 12,
        "eval_every": 12,
        "save_every": 12,
        "data": data,
        "objective": objective,
    }
    return tiny_run.config(root, run, **{**base, **fields})


@pytest.fixture(scope="module")
def straight(root, tmp_path_factory):
    config = _config(root, tmp_path_factory.mktemp("straight") / "run")
    train.run(config)
    return config


def _metrics(config):
    lines = Path(config.workdir, "metrics.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if "loss" in row]


def test_objectives_over_bitext_and_queries_add_up_and_are_learnt(straight):
    rows = _metrics(straight)
    assert len(rows) == 12
    for row in rows:
        total = 20 * row["scores/loss"] + 0.1 * row["ranking-scores/loss"]
        assert row["loss"] == pytest.approx(total, rel=1e-4)
    for name in ("scores", "ranking-scores"):
        losses = [row[f"{name}/loss"] for row in rows]
        assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])


def test_a_run_in_chunks_is_the_same_run(root, straight, tmp_path):
    optimizer = dataclasses.replace(straight.optimizer, gradcache_chunk=8)
    config = _config(root, tmp_path / "run", optimizer=optimizer, stop_after=3)
    train.run(config)
    rows = _metrics(config)
    assert len(rows) == 3
    for row, expected in zip(rows, _metrics(straight), strict=False):
        assert row["loss"] == pytest.approx(expected["loss"], abs=1e-5)
        assert row["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-4)


def test_chunks_divide_the_batch(root, tmp_path):
    with pytest.raises(
        ValueError, match=r"gradcache_chunk must be a divisor of .* \(16\)"
    ):
        _config(
            root, tmp_path, optimizer=OptimizerConfig(gradcache_chunk=6, warmup_steps=0)
        )


def _make(root, run, data, mix, **settings):
    config = _config(root, run, objective=ObjectiveConfig(mix=mix, **settings))
    data = dataclasses.replace(config.data, **data)
    run.mkdir()
    return inputs.make(
        dataclasses.replace(config, data=data), run, say=lambda line: None
    )


def test_all_queries_of_a_document_are_trained_on_or_held_out(root, tmp_path):
    data = {"sources": (), "validation_fraction": 0.2}
    made = _make(root, tmp_path / "run", data, "contrastive")
    # Four queries have the same positive.
    assert 0 < len(made.held_out) < 16
    assert made.epoch == 64 - 4 * len(made.held_out)


def test_languages_in_turn_share_a_batch(root, tmp_path):
    for language in ("sw", "yo"):
        for name in ("queries", "collection"):
            lines = "".join(f"{i}\t{language} {name[0]} {i}\n" for i in range(9))
            (tmp_path / f"{name}.{language}.tsv").write_text(lines)
    (tmp_path / "ids.tsv").write_text("".join(f"{i} {i} {i + 1}\n" for i in range(8)))
    sources = tuple(
        RankingSource(
            name=language,
            format="ids",
            examples="ids.tsv",
            queries=f"queries.{language}.tsv",
            collection=f"collection.{language}.tsv",
        )
        for language in ("sw", "yo")
    )
    data = {
        "root": str(tmp_path),
        "sources": (),
        "ranking": sources,
        "negatives": 1,
        "batch_size": 4,
        "language_mixing": "round-robin-entries",
    }
    with pytest.raises(
        ValueError, match=r"set objective\.contrastive\.in_batch to False"
    ):
        _make(root, tmp_path / "a", data, "contrastive")
    with pytest.raises(ValueError, match=r"divisible by the 2 languages .* got 5"):
        _make(root, tmp_path / "b", {**data, "batch_size": 5}, "contrastive")
    settings = {"contrastive": ContrastiveConfig(in_batch=False)}
    made = _make(root, tmp_path / "c", data, "contrastive", **settings)
    batch = next(made.batches)
    assert batch["student/query"]["ids"].shape[:2] == (2, 2)
    assert batch["student/document"]["ids"].shape[:2] == (2, 4)


def test_scores_must_be_there(root, tmp_path):
    rows = ({"query": "q", "positive": f"p{i}", "negatives": ["n"]} for i in range(4))
    (root / "bare.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    bare = RankingSource(name="bare", format="jsonl", examples="bare.jsonl")
    data = {"ranking": (bare,), "negatives": 1}
    with pytest.raises(ValueError, match=r"needs scores .* \['bare'\] have none"):
        _make(root, tmp_path / "run", data, "ranking-scores")


def test_ranking_needs_a_source(root, tmp_path):
    with pytest.raises(ValueError, match=r"data\.ranking needs sources"):
        _make(root, tmp_path / "run", {"ranking": ()}, "contrastive")
    assert DataConfig().ranking == ()
