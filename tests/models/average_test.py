import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.models import average
from tests.models import tiny


def _moved(retriever, seed):
    rng = np.random.default_rng(seed)
    moved = jax.tree.map(
        lambda leaf: (
            np.asarray(leaf) + 0.01 * rng.standard_normal(leaf.shape, np.float32)
        ),
        retriever.params,
    )
    return retriever.with_params(moved)


def test_parameters_are_the_mean_of_all():
    first = tiny.make(tiny.COLBERT)
    three = [first, _moved(first, 1), _moved(first, 2)]
    found = average.average(three[0], iter(three[1:]))
    jax.tree.map(
        lambda mean, *each: np.testing.assert_allclose(
            mean, np.mean(each, axis=0), atol=1e-7
        ),
        found.params,
        *(r.params for r in three),
    )
    assert found.head == first.head
    assert found.text is first.text


def test_alone_and_beside_itself_an_encoder_stays_as_it_is():
    first = tiny.make(tiny.TOKENWISE)
    for others in ([], [first], [first] * 3):
        found = average.average(first, others)
        jax.tree.map(np.testing.assert_array_equal, found.params, first.params)


def test_the_dtype_is_the_firsts():
    first = tiny.make(tiny.TOKENWISE)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), first.params)
    found = average.average(first.with_params(half), [first])
    assert all(leaf.dtype == jnp.bfloat16 for leaf in jax.tree.leaves(found.params))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (tiny.make(tiny.POOLED), "number 2 has another head"),
        (tiny.make(tiny.TOKENWISE, family="modernbert"), "another encoder"),
    ],
)
def test_what_has_another_start_is_refused(other, message):
    with pytest.raises(ValueError, match=message):
        average.average(tiny.make(tiny.TOKENWISE), [other])


def test_another_vocabulary_is_refused():
    first = tiny.make(tiny.TOKENWISE)
    text = type(first.text)(tiny.wordpiece(accents=True), first.head)
    other = dataclasses.replace(first, text=text)
    with pytest.raises(ValueError, match=r"another vocabulary \(tokenizer\.json\)"):
        average.average(first, [other])
