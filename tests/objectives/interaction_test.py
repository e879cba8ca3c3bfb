import jax
import numpy as np
import pytest

from optical_jax.objectives import interaction
from tests.objectives import given


@pytest.fixture
def batch(rng):
    return given.cloud(rng, 4, batch=6), given.cloud(rng, 7, batch=12)


@pytest.mark.parametrize("block", [2**25, 1])
def test_every_pair_is_a_double_loop_in_blocks_of_any_size(batch, block, monkeypatch):
    monkeypatch.setattr(interaction, "_LARGEST_BLOCK", block)
    # A function of its own: what jit traced for another block would be found again.
    found = jax.jit(lambda *pair: interaction.every_pair(*pair))(*batch)
    np.testing.assert_allclose(found, given.maxsim(*batch), atol=1e-5)


def test_own_documents_are_a_part_of_every_pair(batch):
    every = given.maxsim(*batch).reshape(6, 6, 2)
    found = jax.jit(interaction.own_documents)(*batch)
    np.testing.assert_allclose(found, every[np.arange(6), np.arange(6)], atol=1e-5)


def test_scores_per_slot_do_not_grow_with_the_query(rng):
    query = given.cloud(rng, 5, batch=3)
    scores = given.maxsim(query, query)
    own = np.asarray(interaction.per_slot(jax.numpy.asarray(scores, "float32"), query))
    # A text's own score is one for each of its tokens.
    np.testing.assert_allclose(np.diag(own), 1.0, atol=1e-5)
    assert own.max() < 1 + 1e-5
