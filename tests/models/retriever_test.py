import dataclasses

import jax
import numpy as np
import pytest

from tests.models import tiny


@pytest.mark.parametrize(
    "family", ["bert", pytest.param("modernbert", marks=pytest.mark.long)]
)
def test_last_pooling_takes_the_last_token_that_is_not_padding(family: str) -> None:
    model = tiny.make(tiny.POOLED, family=family)
    ids = np.full((3, 8), model.text.pad_id, np.int32)
    mask = np.zeros((3, 8), bool)
    for row, (start, end) in enumerate(((0, 8), (0, 3), (2, 7))):
        ids[row, start:end] = np.arange(5, 5 + end - start)
        mask[row, start:end] = True
    last = tiny.with_head(model, pooling="last")
    several = dataclasses.replace(model.head, kind="multi-vector")
    tokens = jax.jit(model.with_head(several).vectors)(model.params, ids, mask)
    found = jax.jit(last.vectors)(model.params, ids, mask)
    wanted = np.stack([tokens[0, 7], tokens[1, 2], tokens[2, 6]])
    np.testing.assert_allclose(found[:, 0], wanted, atol=1e-6)
    mean = jax.jit(model.vectors)(model.params, ids, mask)
    assert np.abs(mean - found).max() > 1e-2
