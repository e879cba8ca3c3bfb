"""Rematerialised and scanned layers give what plain ones give, and save what they should."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from optical_jax.models import attention, families, hf, retriever, stack
from optical_jax.models.head import HeadConfig
from optical_jax.models.lora import LoraConfig
from optical_jax.models.stack import EncoderOptions
from tests.models.golden_test import GOLDEN

_HEAD = HeadConfig()
# Two whole turns and one more: sliding, full, sliding, full, sliding.
_FIELDS = {
    "model_type": "qwen3",
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 5,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 32,
    "sliding_window": 4,
    "layer_types": [*["sliding_attention", "full_attention"] * 2, "sliding_attention"],
}
_PLAIN = EncoderOptions()
_OPTIONS = (
    EncoderOptions(remat="full"),
    EncoderOptions(scan=True),
    EncoderOptions(remat="full", scan=True),
)


@pytest.mark.parametrize(
    "family", ["xlm-roberta-xl", "modernbert", "mt5", "gemma3_text"]
)
def test_loops_in_bfloat16_with_adapters(family):
    config = hf.read_config(GOLDEN / family)
    fields = {"options": _OPTIONS[-1], "adapters": LoraConfig(rank=2)}
    graph = retriever.graphdef(config, _HEAD, dtype=jnp.dtype("bfloat16"), **fields)
    params = retriever.abstract_params(config, _HEAD, LoraConfig(rank=2))
    found = jax.eval_shape(
        lambda p, *given: nnx.merge(graph, p).encoder(*given),
        params,
        jax.ShapeDtypeStruct((4, 12), jnp.int32),
        jax.ShapeDtypeStruct((4, 12), bool),
    )
    assert (found.shape, found.dtype) == ((4, 12, config.hidden_size), jnp.bfloat16)


@functools.cache
def _lowered(options):
    """A step with dropout: vectors, attention, gradients."""
    config = families.parse(_FIELDS)
    graph = retriever.graphdef(config, _HEAD, dropout=0.2, options=options)

    def loss(params, ids, mask, key):
        model, rngs = nnx.merge(graph, params), nnx.Rngs(dropout=key)
        found = model.weighed(ids, mask, rngs=rngs)
        weights = jnp.cos(jnp.arange(found.vectors.size)).reshape(found.vectors.shape)
        total = jnp.sum(weights * found.vectors * mask[..., None])
        return total, (found.vectors, found.attention)

    return jax.jit(jax.value_and_grad(loss, has_aux=True)).lower(*_given())


@functools.cache
def _given():
    rng = np.random.default_rng(0)
    abstract = retriever.abstract_params(families.parse(_FIELDS), _HEAD)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(0.3 * rng.standard_normal(leaf.shape), jnp.float32),
        abstract,
    )
    ids = jnp.asarray(rng.integers(1, 40, (32, 16)))
    mask = jnp.arange(16) < jnp.asarray(rng.integers(1, 17, (32, 1)))
    return params, ids, mask, jax.random.key(3)


@functools.cache
def _compiled(options):
    # Slower programs, compiled in half the time.
    return _lowered(options).compile({"xla_backend_optimization_level": 0})


@pytest.mark.parametrize("options", _OPTIONS, ids=str)
def test_results_and_gradients_are_those_of_plain_layers(options):
    (value, (vectors, received)), grads = _compiled(options)(*_given())
    (wanted, (wanted_vectors, wanted_received)), plain = _compiled(_PLAIN)(*_given())
    np.testing.assert_allclose(value, wanted, rtol=1e-5)
    np.testing.assert_allclose(vectors, wanted_vectors, atol=1e-6)
    np.testing.assert_allclose(received, wanted_received, atol=1e-6)
    for a, b in zip(jax.tree.leaves(grads), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * max(1.0, float(jnp.abs(b).max())))


@pytest.mark.parametrize("family", ["modernbert", "umt5"])
def test_stored_hidden_states_where_layers_differ(family):
    folder = GOLDEN / family
    config = hf.read_config(folder)
    params = hf.read_params(folder, config)
    expected = np.load(folder / "expected.npz")
    ids, mask = jnp.asarray(expected["ids"]), jnp.asarray(expected["mask"])
    graph = retriever.graphdef(config, _HEAD, options=_OPTIONS[-1])
    encode = lambda p, *given: nnx.merge(graph, nnx.State({"encoder": p})).encoder(
        *given
    )
    found = np.asarray(jax.jit(encode)(params, ids, mask))[expected["mask"]]
    wanted = expected["hidden"][expected["mask"]]
    size = max(1.0, np.abs(wanted).max())
    np.testing.assert_allclose(found / size, wanted / size, atol=2e-5)


def test_how_many_products_a_program_has():
    count = lambda **fields: (
        _lowered(EncoderOptions(**fields)).as_text().count("dot_general")
    )
    plain, full, dots = count(), count(remat="full"), count(remat="dots")
    # "dots" computes the attention again, "full" the products with weights too.
    assert plain < dots < full
    # Of five layers three are left: a turn of two, and one more.
    assert plain * 0.55 < count(scan=True) < plain * 0.7


def test_a_loop_that_rematerialises_takes_less_memory():
    loops = (EncoderOptions(scan=True), EncoderOptions(remat="full", scan=True))
    plain, full = (
        _compiled(options).memory_analysis().temp_size_in_bytes for options in loops
    )
    assert full < 0.7 * plain


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("aaaa", (0, 1, 4)),
        ("baaaa", (1, 1, 4)),
        ("ababab", (0, 2, 3)),
        ("aabaabaab", (0, 3, 3)),
        ("aabaabaa", (0, 3, 2)),
        # ModernBERT: the first lacks a norm, every third is global.
        ("zssgssgssg", (1, 3, 3)),
        ("abcd", (0, 1, 0)),
        ("a", (0, 1, 0)),
    ],
)
def test_repetition(kinds, expected):
    assert stack.repetition(kinds) == expected


def test_repetition_is_one_and_spares_most():
    for kinds in itertools.product("ab", repeat=6):
        start, period, turns = stack.repetition(kinds)
        turned = kinds[start : start + period * turns]
        assert turned == kinds[start : start + period] * turns
        runs = [len(list(run)) for _, run in itertools.groupby(kinds)]
        assert (turns - 1) * period >= max(
            runs[0], runs[-1] if len(runs) < 3 else 0
        ) - 1


def test_cudnn_is_refused_where_it_does_not_run():
    x = jnp.ones((1, 3, 2, 6))
    attend = attention.Attention(implementation="cudnn", softcap=2.0)
    with pytest.raises(
        ValueError, match="needs an NVIDIA GPU, bfloat16, heads of.*soft"
    ):
        attend(x, x, x, jnp.ones((1, 3), bool))
    auto = attention.Attention()(x, x, x, jnp.ones((1, 3), bool))
    np.testing.assert_allclose(auto, x, rtol=1e-6)
