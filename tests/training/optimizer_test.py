import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from optical_jax.config import OptimizerConfig
from optical_jax.training import optimizer
from tests.models import tiny


def test_schedule_warms_up_and_ends_at_zero():
    config = OptimizerConfig(learning_rate=1.0, warmup_steps=4)
    rate = optimizer.schedule(config, steps=20)
    assert [float(rate(i)) for i in range(5)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1.0]
    )
    assert float(rate(12)) == pytest.approx(0.5)
    assert float(rate(20)) == pytest.approx(0.0, abs=1e-7)


def test_frozen_parameters_stay_and_cost_no_state():
    params = tiny.make(tiny.TOKENWISE).params
    tx = optimizer.make(
        OptimizerConfig(warmup_steps=0),
        params,
        steps=5,
        freeze=("embeddings/", "layers/0"),
    )
    grads = jax.tree.map(jnp.ones_like, params)
    updates, state = _first(tx, grads, params)
    moved = optax.apply_updates(params, updates)
    same = lambda *path: np.array_equal(_at(moved, path), _at(params, path))
    assert same("embeddings", "word", "embedding")
    assert same("layers", 0, "query", "kernel")
    assert not same("layers", 1, "query", "kernel")
    free = optimizer.make(OptimizerConfig(warmup_steps=0), params, steps=5, freeze=())
    size = lambda s: sum(x.size for x in jax.tree.leaves(s))
    assert size(state) < size(jax.eval_shape(free.init, params))


def _first(tx, grads, params):
    return jax.jit(lambda g, p: tx.update(g, tx.init(p), p))(grads, params)


def _at(params, path):
    node = params["encoder"]
    for key in path:
        node = node[key]
    return np.asarray(node[...])


def test_norms_and_biases_are_not_decayed():
    params = tiny.make(tiny.TOKENWISE).params
    config = OptimizerConfig(warmup_steps=0, weight_decay=0.5, schedule="constant")
    tx = optimizer.make(config, params, steps=5, freeze=())
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = _first(tx, zeros, params)
    assert not _at(updates, ("layers", 0, "up", "bias")).any()
    assert not _at(updates, ("layers", 0, "output_norm", "scale")).any()
    assert _at(updates, ("layers", 0, "up", "kernel")).any()


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        (("nothing_here",), r"matches no parameter"),
        ((".",), r"leaves nothing to learn"),
    ],
)
def test_patterns_are_checked(freeze, message):
    params = tiny.make(tiny.TOKENWISE).params
    with pytest.raises(ValueError, match=message):
        optimizer.make(OptimizerConfig(), params, steps=5, freeze=freeze)


def test_word_embeddings_can_learn_faster():
    params = tiny.make(tiny.TOKENWISE).params
    grads = jax.tree.map(jnp.ones_like, params)

    def update(rate, *path):
        config = OptimizerConfig(warmup_steps=0, weight_decay=0.0, embedding_rate=rate)
        tx = optimizer.make(config, params, steps=5, freeze=())
        return _at(_first(tx, grads, params)[0], path)

    words = ("embeddings", "word", "embedding")
    np.testing.assert_allclose(update(5.0, *words), 5 * update(1.0, *words), rtol=1e-6)
    rest = ("layers", 0, "up", "kernel")
    np.testing.assert_array_equal(update(5.0, *rest), update(1.0, *rest))


def test_adagrad_moves_a_row_by_one_rate_and_others_not_at_all():
    params = tiny.make(tiny.TOKENWISE).params
    config = OptimizerConfig(
        learning_rate=1e-3,
        embedding_rate=10.0,
        embedding_optimizer="adagrad",
        warmup_steps=0,
        clip_norm=0.0,
        schedule="constant",
    )
    tx = optimizer.make(config, params, steps=5, freeze=())
    grads = jax.tree.map(jnp.zeros_like, params)
    word = grads["encoder"]["embeddings"]["word"]["embedding"]
    word.set_value(word[...].at[3].set(0.5))
    state, moved = jax.jit(tx.init)(params), params
    update = jax.jit(tx.update)
    steps = []
    for _ in range(4):
        updates, state = update(grads, state, moved)
        moved = optax.apply_updates(moved, updates)
        steps.append(_at(updates, ("embeddings", "word", "embedding")))
    # Duchi et al. 2011: the n-th step of an equal gradient is rate / sqrt(n).
    for n, step in enumerate(steps, start=1):
        np.testing.assert_allclose(step[3], -1e-2 / np.sqrt(n), rtol=1e-5)
        assert not np.delete(step, 3, axis=0).any()
    size = lambda s: sum(x.size for x in jax.tree.leaves(s))
    adam = dataclasses.replace(config, embedding_optimizer="adam")
    adam = optimizer.make(adam, params, steps=5, freeze=())
    assert size(state) < size(jax.eval_shape(adam.init, params))
