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


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
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
    np.testing.assert_allclose(found[real], expected["hidden"][real], atol=1e-5)
    # Slots that nobody attends to still have a state: expanded queries score them.
    np.testing.assert_allclose(found[3], expected["hidden"][3], atol=1e-5)
