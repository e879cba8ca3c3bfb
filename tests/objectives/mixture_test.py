import jax.numpy as jnp
import pytest

from optical_jax.objectives import mixture, tokens
from optical_jax.objectives.mixture import ObjectiveConfig
from tests.objectives import given


@pytest.mark.parametrize(
    ("mix", "parts"),
    [
        ("transport", {"transport": 1.0}),
        ("transport:0.5", {"transport": 0.5}),
        ("transport + contrastive:2e-1", {"transport": 1.0, "contrastive": 0.2}),
    ],
)
def test_a_mix_is_names_with_weights(mix, parts):
    assert ObjectiveConfig(mix=mix).parts() == parts


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ("transprt", r"got 'transprt'; did you mean 'transport'\?"),
        ("", r"must add up names of .*'transport'.* got ''"),
        ("transport + transport", r"must name 'transport' once"),
        ("transport:0", r"'transport' must be > 0, got 0"),
        ("transport:-1", r"'transport' must be a positive number, got '-1'"),
        ("transport:much", r"'transport' must be a positive number, got 'much'"),
    ],
)
def test_what_is_no_mix_is_named(mix, message):
    with pytest.raises(ValueError, match=message):
        ObjectiveConfig(mix=mix)


def _parts(monkeypatch):
    """Two objectives that return 2 and 3."""
    for name, value in (("transport", 2.0), ("contrastive", 3.0)):
        found = (jnp.float32(value), {"seen": jnp.float32(value)})
        monkeypatch.setitem(mixture.LOSSES, name, lambda *_, found=found: found)


def test_losses_add_up_with_weights(monkeypatch):
    _parts(monkeypatch)
    config = ObjectiveConfig(mix="transport + contrastive:0.5")
    total, metrics = mixture.loss(given.encode(), config)
    assert float(total) == 3.5
    assert {k: float(v) for k, v in metrics.items()} == {
        "transport/loss": 2.0,
        "transport/seen": 2.0,
        "contrastive/loss": 3.0,
        "contrastive/seen": 3.0,
    }


def test_one_objective_keeps_its_metrics_names(monkeypatch):
    _parts(monkeypatch)
    total, metrics = mixture.loss(given.encode(), ObjectiveConfig(mix="transport:4"))
    assert float(total) == 8.0
    assert set(metrics) == {"seen"}


def test_objectives_that_read_a_text_differently_do_not_add_up(monkeypatch):
    uses = (tokens.Use("student", "target", "document"),)
    monkeypatch.setattr(mixture.ContrastiveConfig, "uses", uses)
    with pytest.raises(ValueError, match=r"student's target as document.* as query"):
        ObjectiveConfig(mix="transport + contrastive")


def test_objectives_over_bitext_need_neither_queries_nor_passages():
    others = {"contrastive", "scores", "ranking-scores"}
    assert mixture.over_bitext() == tuple(n for n in mixture.LOSSES if n not in others)
