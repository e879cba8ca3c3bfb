import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import ot as pot
import pytest

from optical_jax.objectives import transport
from optical_jax.objectives.tokens import Use
from optical_jax.objectives.transport import TransportConfig
from tests.objectives import given


@functools.partial(jax.jit, static_argnames="config")
def _loss(student, teacher, config, *, kept=None, arrays=None, progress=0.0):
    encode = given.encode(
        student={"target": student, "source": kept},
        teacher={"source": teacher},
        arrays=arrays,
        progress=progress,
    )
    return transport.loss(encode, config)


def _pot_plan(cost, a, b, epsilon):
    return pot.sinkhorn(a, b, cost, epsilon, numItermax=5000, stopThr=1e-12)


def _even_plan(cost):
    """Return POT's plan of epsilon .1 between even masses."""
    m, n = cost.shape
    return _pot_plan(cost, np.full(m, 1 / m), np.full(n, 1 / n), 0.1)


def test_loss_is_pots_transport_cost(rng):
    student, teacher = given.clouds(rng)
    config = TransportConfig(epsilon=0.1, iterations=1000)
    value, metrics = _loss(student, teacher, config)
    costs = []
    for k in range(5):
        x = np.asarray(student.vectors[k], np.float64)[np.asarray(student.mask[k])]
        y = np.asarray(teacher.vectors[k], np.float64)[np.asarray(teacher.mask[k])]
        c = 1 - x @ y.T
        plan = _even_plan(c)
        costs.append((plan * c).sum())
    assert float(value) == pytest.approx(np.mean(costs), abs=1e-5)
    assert float(metrics["transport_cost"]) == float(value)
    assert float(metrics["marginal_error"]) < 1e-4


@pytest.mark.parametrize(
    "settings",
    [
        {"solver": "ott"},
        {"solver": "scaling"},
        {"solver": "ipot", "iterations": 30},
        {"tau_a": 0.8, "tau_b": 0.9, "sentence_weight": 0.5},
    ],
)
def test_padding_changes_neither_loss_nor_gradient(rng, settings):
    student, teacher = given.clouds(rng)
    config = TransportConfig(epsilon=0.1, **settings)
    given.check_padding(lambda s, t: _loss(s, t, config)[0], student, teacher)


def test_slots_marginals_give_mass_to_the_expansion(rng):
    student, teacher = given.clouds(rng)
    expanded = student._replace(scored=jnp.ones_like(student.scored))
    config = TransportConfig(epsilon=0.1)
    slots_config = dataclasses.replace(config, marginals="slots")
    tokens = _loss(expanded, teacher, config)[0]
    slots = _loss(expanded, teacher, slots_config)[0]
    every = student._replace(mask=jnp.ones_like(student.mask), scored=expanded.scored)
    assert float(tokens) == pytest.approx(float(_loss(student, teacher, config)[0]))
    assert float(slots) == pytest.approx(float(_loss(every, teacher, config)[0]))
    assert float(slots) != pytest.approx(float(tokens))
    both = teacher._replace(scored=jnp.ones_like(teacher.scored))
    assert float(_loss(student, both, slots_config)[0]) != pytest.approx(
        float(_loss(student, teacher, slots_config)[0])
    )


def _pot_cost(x, y, a, b, epsilon):
    c = 1 - x @ y.T
    return (_pot_plan(c, a, b, epsilon) * c).sum()


def test_masses_follow_importance(rng):
    student, teacher = given.clouds(rng)
    weights = [rng.uniform(0.5, 3, x.mask.shape) for x in (student, teacher)]
    s, t = (jnp.asarray(w, jnp.float32) for w in weights)
    arrays = {("student/target", "idf"): s, ("teacher/source", "idf"): t}
    found = {
        name: _loss(
            student._replace(norm=s, attention=s),
            teacher._replace(norm=t, attention=t),
            TransportConfig(epsilon=0.1, iterations=500, marginals=name),
            arrays=arrays,
        )[0]
        for name in ("idf", "norm", "attention")
    }
    costs = []
    for k, (x, y) in enumerate(
        zip(given.real(student), given.real(teacher), strict=True)
    ):
        a, b = weights[0][k][: len(x)], weights[1][k][: len(y)]
        costs.append(_pot_cost(x, y, a / a.sum(), b / b.sum(), 0.1))
    for name, value in found.items():
        assert float(value) == pytest.approx(np.mean(costs), abs=1e-5), name


def test_ipot_is_below_every_entropic_cost(rng):
    student, teacher = given.clouds(rng)
    costs = [
        float(_loss(student, teacher, TransportConfig(iterations=500, **settings))[0])
        for settings in (
            {"solver": "ipot", "epsilon": 0.1},
            {"epsilon": 0.05},
            {"epsilon": 0.5},
        )
    ]
    assert costs == sorted(costs)
    exact = [
        pot.emd2(np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y)), 1 - x @ y.T)
        for x, y in zip(given.real(student), given.real(teacher), strict=True)
    ]
    assert costs[0] == pytest.approx(np.mean(exact), abs=2e-3)


def test_epsilon_anneals_geometrically_to_its_own_value(rng):
    student, teacher = given.clouds(rng)
    config = TransportConfig(epsilon=0.1, anneal_from=0.4, anneal_until=0.5)
    for progress, epsilon in ((0.0, 0.4), (0.25, 0.2), (0.5, 0.1), (0.9, 0.1)):
        value, metrics = _loss(student, teacher, config, progress=progress)
        static = TransportConfig(epsilon=epsilon, solver="scaling")
        assert float(metrics["epsilon"]) == pytest.approx(epsilon)
        expected = float(_loss(student, teacher, static)[0])
        assert float(value) == pytest.approx(expected, abs=1e-6)


def test_unbalanced_mass_leaves_what_nothing_translates(rng):
    student, teacher = given.clouds(rng)
    # One student token is far from every teacher token.
    away = student.vectors.at[:, 0].set(-teacher.vectors[:, :3].mean(axis=1) * 2)
    student = student._replace(vectors=away)
    settings = {"epsilon": 0.1, "iterations": 200}
    held, metrics = _loss(student, teacher, TransportConfig(**settings))
    free, found = _loss(student, teacher, TransportConfig(tau_a=0.5, **settings))
    assert "mass" not in metrics
    assert float(found["mass"]) == pytest.approx(1, abs=1e-3)
    assert float(free) < float(held)


def test_sentence_term_and_source_term_add_up(rng):
    student, teacher = given.clouds(rng)
    kept = given.cloud(rng, 7)
    plain, _ = _loss(student, teacher, TransportConfig())
    config = TransportConfig(sentence_weight=2.0, source_weight=0.5)
    value, metrics = _loss(student, teacher, config, kept=kept)
    cosines = []
    for x, y in zip(given.real(student), given.real(teacher), strict=True):
        x, y = x.mean(0), y.mean(0)
        cosines.append(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
    assert float(metrics["sentence_cosine"]) == pytest.approx(
        np.mean(cosines), abs=1e-6
    )
    source = float(_loss(kept, teacher, TransportConfig())[0])
    assert float(metrics["source_cost"]) == pytest.approx(source, abs=1e-6)
    expected = float(plain) + 2 * (1 - np.mean(cosines)) + 0.5 * source
    assert float(value) == pytest.approx(expected, abs=1e-5)


def _links(rng, student, teacher, *, longest=12):
    shape = (*student.mask.shape, longest)
    return jnp.asarray(rng.integers(0, 2, shape), bool)


def test_what_no_aligner_links_is_dearer_to_the_plan_alone(rng):
    student, teacher = given.clouds(rng)
    links = _links(rng, student, teacher)
    config = TransportConfig(epsilon=0.1, iterations=1000, link_weight=0.3)
    arrays = {("student/target", "links"): links}
    value, metrics = _loss(student, teacher, config, arrays=arrays)
    costs = []
    both = zip(given.real(student), given.real(teacher), links, strict=True)
    for x, y, linked in both:
        cost = 1 - x @ y.T
        dearer = 0.3 * ~np.asarray(linked)[: len(x), : len(y)]
        plan = _even_plan(cost + dearer)
        costs.append((plan * cost).sum())
    assert float(value) == pytest.approx(np.mean(costs), abs=1e-5)
    assert float(metrics["transport_cost"]) == float(value)
    plain = float(_loss(student, teacher, TransportConfig(epsilon=0.1))[0])
    assert float(value) > plain + 1e-3


def test_linked_tokens_have_ten_times_the_mass(rng):
    student, teacher = given.clouds(rng)
    links = _links(rng, student, teacher).at[:, 0].set(False)
    config = TransportConfig(epsilon=0.1, iterations=1000, marginals="links")
    arrays = {("student/target", "links"): links}
    value, _ = _loss(student, teacher, config, arrays=arrays)
    costs = []
    both = zip(given.real(student), given.real(teacher), links, strict=True)
    for x, y, linked in both:
        linked = np.asarray(linked)[: len(x), : len(y)]
        a, b = (np.where(linked.any(axis=axis), 1.0, 0.1) for axis in (1, 0))
        costs.append(_pot_cost(x, y, a / a.sum(), b / b.sum(), 0.1))
    assert float(value) == pytest.approx(np.mean(costs), abs=1e-5)
    even, _ = _loss(student, teacher, TransportConfig(epsilon=0.1))
    assert float(value) != pytest.approx(float(even), abs=1e-3)


@pytest.mark.parametrize("linked", [True, False])
def test_links_of_all_tokens_or_of_none_change_no_plan(rng, linked):
    student, teacher = given.clouds(rng)
    links = jnp.full_like(_links(rng, student, teacher), linked)
    config = TransportConfig(link_weight=0.3)
    value, _ = _loss(
        student, teacher, config, arrays={("student/target", "links"): links}
    )
    plain, _ = _loss(student, teacher, TransportConfig())
    assert float(value) == pytest.approx(float(plain), abs=1e-6)


def test_links_take_no_part_in_padding_or_in_the_sources_own_plan(rng):
    student, teacher = given.clouds(rng)
    kept = given.cloud(rng, 7)
    links = jnp.asarray(rng.random((5, 15, 11)) < 0.1)
    config = TransportConfig(marginals="links", link_weight=0.3, source_weight=1.0)

    def loss(student, teacher):
        arrays = {("student/target", "links"): links[:, : student.vectors.shape[1]]}
        return _loss(student, teacher, config, kept=kept, arrays=arrays)

    given.check_padding(lambda s, t: loss(s, t)[0], student, teacher)
    source = float(_loss(kept, teacher, TransportConfig())[0])
    assert float(loss(student, teacher)[1]["source_cost"]) == pytest.approx(source)


def test_uses_follow_side_importance_and_source():
    assert TransportConfig().uses == (
        Use("student", "target", "query"),
        Use("teacher", "source", "query"),
    )
    found = TransportConfig(side="document", marginals="idf", source_weight=1.0).uses
    assert found == (
        Use("student", "target", "document", ("idf",)),
        Use("teacher", "source", "document", ("idf",)),
        Use("student", "source", "document", ("idf",)),
    )
    found = TransportConfig(marginals="idf", link_weight=0.1, source_weight=1.0).uses
    assert found == (
        Use("student", "target", "query", ("idf", "links")),
        Use("teacher", "source", "query", ("idf",)),
        Use("student", "source", "query", ("idf",)),
    )


def test_equal_clouds_cost_less_than_different_ones(rng):
    student, _ = given.clouds(rng)
    config = TransportConfig(epsilon=0.01, iterations=300)
    same = _loss(student, student, config)[0]
    other = _loss(student, given.clouds(rng)[0], config)[0]
    assert float(same) < 1e-3 < float(other)


@pytest.mark.parametrize("epsilon", [0.0, -0.1, float("nan")])
def test_epsilon_must_be_positive(epsilon):
    with pytest.raises(ValueError, match=r"objective\.transport\.epsilon must be > 0"):
        TransportConfig(epsilon=epsilon)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"iterations": 0}, r"iterations must be at least 1, got 0"),
        ({"anneal_from": 0.01}, r"anneal_from must be 0 .* at least epsilon \(0\.05\)"),
        ({"anneal_until": 0.0}, r"anneal_until must be in \(0, 1\], got 0"),
        ({"tau_a": 0.0}, r"tau_a must be in \(0, 1\]; 1 is balanced, got 0"),
        ({"tau_b": 1.5}, r"tau_b must be in \(0, 1\]; 1 is balanced, got 1\.5"),
        ({"link_weight": -1.0}, r"link_weight must be >= 0, got -1"),
        ({"sentence_weight": -1.0}, r"sentence_weight must be >= 0, got -1"),
        ({"solver": "ipot", "tau_b": 0.9}, r"must not be 'ipot' with tau < 1"),
        ({"solver": "ipot", "epsilon": 0.01}, r"'ipot' needs epsilon >= 0\.0333"),
    ],
)
def test_settings_out_of_range_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        TransportConfig(**fields)
