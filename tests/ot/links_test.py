import numpy as np
import pytest

from optical_jax.ot import links


def test_mutual_by_hand():
    scores = np.array([[0.9, 0.8, 0.1], [0.7, 0.2, 0.3]])
    # Row 0 and column 0 choose each other; row 1 chooses column 0, which does not.
    np.testing.assert_array_equal(np.argwhere(links.mutual(scores)), [[0, 0]])


def test_mutual_links_are_one_to_one_and_turn_with_the_pair():
    scores = np.random.default_rng(0).random((7, 9))
    linked = links.mutual(scores)
    assert linked.any()
    assert linked.sum(axis=0).max() == linked.sum(axis=1).max() == 1
    np.testing.assert_array_equal(links.mutual(scores.T), linked.T)
    order = np.random.default_rng(1).permutation(7)
    np.testing.assert_array_equal(links.mutual(scores[order]), linked[order])


def test_masked_rows_and_empty_sides_have_no_links():
    scores = np.full((2, 2), -np.inf)
    assert not links.mutual(scores).any()
    scores[0, 0] = -0.5
    np.testing.assert_array_equal(np.argwhere(links.mutual(scores)), [[0, 0]])
    assert links.mutual(np.zeros((0, 3))).shape == (0, 3)


def test_shares_of_the_mass():
    plan = np.array([[0.3, 0.2, 0.0], [0.0, 0.1, 0.4]])
    shares = plan / np.sqrt(np.outer([0.5, 0.5], [0.3, 0.3, 0.4]))
    for threshold in (0.1, 0.3, 0.6):
        found = links.above(plan, threshold=threshold)
        np.testing.assert_array_equal(found, shares > threshold)
    # A one-to-one plan links all of it below 1.
    assert links.above(np.eye(3) / 3, threshold=0.99).trace() == 3
    assert links.above(np.eye(3) / 3, threshold=0.99).sum() == pytest.approx(3)
