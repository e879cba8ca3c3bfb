"""Low-rank adapters: what they add, what they train, and that merging changes nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from optical_jax.models import lora, retriever
from optical_jax.models.lora import LoraConfig
from tests.models import tiny

_LORA = LoraConfig(rank=3, alpha=6.0, targets=("/query$", "layers/1/up"))
_IDS = jnp.asarray(np.random.default_rng(0).integers(5, 30, (3, 9)))
_MASK = jnp.arange(9) < jnp.array([[9], [5], [1]])


@pytest.fixture(scope="module")
def model():
    return tiny.make(tiny.COLBERT)


@pytest.fixture(scope="module")
def adapted(model):
    """Trained parts as drawn, and moved away from there; a function of them."""
    made = retriever.init_params(
        model.encoder, model.head, key=jax.random.key(0), adapters=_LORA
    )
    fresh = dict(nnx.to_flat_state(lora.adapters(made)))
    base = dict(nnx.to_flat_state(model.params))
    start = lora.learned(nnx.from_flat_state(base | fresh), _LORA)
    rng = np.random.default_rng(1)
    moved = jax.tree.map(
        lambda leaf: leaf + jnp.asarray(0.2 * rng.standard_normal(leaf.shape)), start
    )
    fixed = lora.fixed(model.params, _LORA, dtype=jnp.dtype("float32"))
    graph = retriever.graphdef(model.encoder, model.head, adapters=_LORA)

    def encode(trained):
        return nnx.merge(graph, nnx.merge_state(fixed, trained))(_IDS, _MASK)

    return start, moved, jax.jit(encode)


def _names(state):
    return {"/".join(map(str, path)) for path, _ in nnx.to_flat_state(state)}


def test_what_is_trained(model, adapted):
    start, *_ = adapted
    layers = ("layers/0/query", "layers/1/query", "layers/1/up")
    wanted = {f"encoder/{x}/{ab}" for x in layers for ab in ("lora_a", "lora_b")}
    assert _names(start) == wanted | {"projection/kernel"}
    whole = lora.learned(
        retriever.abstract_params(model.encoder, model.head, _LORA),
        LoraConfig(rank=3, targets=_LORA.targets, also=("word/embedding",)),
    )
    assert _names(whole) - _names(start) == {"encoder/embeddings/word/embedding"}
    everywhere = retriever.abstract_params(
        model.encoder, model.head, LoraConfig(rank=1)
    )
    assert len(_names(lora.adapters(everywhere))) == 2 * 6 * 2


def test_a_model_starts_as_it_was(model, adapted):
    start, _, encode = adapted
    wanted = jax.jit(model.vectors)(model.params, _IDS, _MASK)
    np.testing.assert_allclose(encode(start), wanted, atol=1e-6)


def test_merged_gives_the_vectors_of_adapters(model, adapted):
    _, moved, encode = adapted
    merged = lora.merged(model.params, moved, _LORA)
    assert _names(merged) == _names(model.params)
    found = jax.jit(model.vectors)(merged, _IDS, _MASK)
    np.testing.assert_allclose(found, encode(moved), atol=1e-5)
    before = jax.jit(model.vectors)(model.params, _IDS, _MASK)
    assert np.abs(np.asarray(found - before)).max() > 0.05
    flat, old = (dict(nnx.to_flat_state(p)) for p in (merged, model.params))
    changed = {
        "/".join(map(str, p)) for p in flat if (flat[p][...] != old[p][...]).any()
    }
    assert changed == {
        "encoder/layers/0/query/kernel",
        "encoder/layers/1/query/kernel",
        "encoder/layers/1/up/kernel",
        "projection/kernel",
    }


def test_gradients_are_those_of_the_merged_kernel(model, adapted):
    _, moved, encode = adapted
    weights = jnp.cos(jnp.arange(3 * 9 * 8)).reshape(3, 9, 8) * _MASK[..., None]
    grads = jax.jit(jax.grad(lambda t: jnp.sum(encode(t) * weights)))(moved)
    merged = lora.merged(model.params, moved, _LORA)
    vectors = lambda p: model.vectors(p, _IDS, _MASK)
    whole = jax.jit(jax.grad(lambda p: jnp.sum(vectors(p) * weights)))(merged)
    for i, name in ((0, "query"), (1, "query"), (1, "up")):
        kernel = np.asarray(whole["encoder"]["layers"][i][name]["kernel"][...])
        ours, at = (
            grads["encoder"]["layers"][i][name],
            moved["encoder"]["layers"][i][name],
        )
        a, b = (np.asarray(at[x][...]) for x in lora.ADAPTERS)
        np.testing.assert_allclose(ours["lora_a"][...], 2 * kernel @ b.T, atol=1e-4)
        np.testing.assert_allclose(ours["lora_b"][...], 2 * a.T @ kernel, atol=1e-4)


def test_fixed_kernels_and_words_are_kept_in_the_dtype_of_the_computation(model):
    fixed = lora.fixed(model.params, _LORA, dtype=jnp.dtype("bfloat16"))
    kinds = {
        "/".join(map(str, path)): leaf.dtype for path, leaf in nnx.to_flat_state(fixed)
    }
    assert "projection/kernel" not in kinds
    for name, dtype in kinds.items():
        halved = name.endswith("kernel") or "word" in name
        assert dtype == (jnp.bfloat16 if halved else jnp.float32), name


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"rank": -1}, "rank must be at least 0"), ({"alpha": 0.0}, "alpha must be > 0")],
)
def test_ranges_are_checked(fields, message):
    with pytest.raises(ValueError, match=message):
        LoraConfig(**fields)


def test_patterns_that_match_nothing_are_named(model):
    config = LoraConfig(rank=2, targets=("query", "q_proj"))
    with pytest.raises(ValueError, match="'q_proj' matches no linear layer"):
        retriever.abstract_params(model.encoder, model.head, config)
    with pytest.raises(ValueError, match="'words' matches no parameter"):
        lora.learned(model.params, LoraConfig(rank=2, also=("words",)))
