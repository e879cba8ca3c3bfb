"""Our encoders give torch's hidden states: stored ones, so that no torch is needed.

`tests.oracle.make_golden` made the files.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from optical_jax.models import families, hf

GOLDEN = Path(__file__).parent / "golden"
# Decoders have theirs in decoder_test.py.
ENCODERS = ("bert", "xlm-roberta", "xlm-roberta-xl", "modernbert", "mt5", "umt5")


@pytest.mark.parametrize("family", ENCODERS)
def test_hidden_states_equal_torch(family: str) -> None:
    folder = GOLDEN / family
    config = hf.read_config(folder)
    params = hf.read_params(folder, config)
    module = families.of(config).module
    graph = nnx.graphdef(nnx.eval_shape(lambda: module(config, rngs=nnx.Rngs(0))))
    expected = np.load(folder / "expected.npz")
    ids, mask = jnp.asarray(expected["ids"]), jnp.asarray(expected["mask"])
    encode = jax.jit(lambda params, ids, mask: nnx.merge(graph, params)(ids, mask))
    found = np.asarray(encode(params, ids, mask))
    real = expected["mask"]
    size = max(1.0, np.abs(expected["hidden"][real]).max())
    found, wanted = found / size, expected["hidden"] / size
    np.testing.assert_allclose(found[real], wanted[real], atol=2e-5)
    # Slots that nobody attends to still have a state: expanded queries score them. Those
    # that see nothing within their window have none to compare.
    seen = 10 if family == "modernbert" else 12
    np.testing.assert_allclose(found[3, :seen], wanted[3, :seen], atol=2e-5)


@pytest.mark.parametrize("family", ["modernbert", "umt5"])
def test_bfloat16_computes_nearly_the_same(family: str) -> None:
    config = hf.read_config(GOLDEN / family)
    params = hf.read_params(GOLDEN / family, config, dtype=jnp.bfloat16)
    module = families.of(config).module
    make = lambda: module(config, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    graph = nnx.graphdef(nnx.eval_shape(make))
    expected = np.load(GOLDEN / family / "expected.npz")
    real, wanted = expected["mask"], expected["hidden"]
    encode = jax.jit(lambda p, *batch: nnx.merge(graph, p).with_attention(*batch))
    found, received = encode(params, jnp.asarray(expected["ids"]), jnp.asarray(real))
    assert found.dtype == jnp.bfloat16
    assert received.dtype == jnp.float32
    found, wanted = np.asarray(found, np.float32)[real], wanted[real]
    norms = np.linalg.norm(found, axis=-1) * np.linalg.norm(wanted, axis=-1)
    # Tiny widths: single bfloat16 roundings are 0.4 % of a state.
    assert np.median((found * wanted).sum(axis=-1) / norms) > 0.998


def test_every_family_has_a_file_and_the_places_that_others_rely_on() -> None:
    assert {p.name for p in GOLDEN.iterdir()} >= families.FAMILIES.keys() - {"t5"}
    for folder in GOLDEN.iterdir():
        config = hf.read_config(folder)
        paths = hf.abstract_params(config).keys()
        assert families.WORD in paths
        layers = {path[1] for path in paths if path[0] == "layers"}
        assert layers == set(range(config.num_hidden_layers))
        assert families.word_tensor(config).endswith(".weight")
