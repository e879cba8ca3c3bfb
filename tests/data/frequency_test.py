import numpy as np
import pytest

from optical_jax.data import frequency
from optical_jax.data.tokenize import Encoded


def _sentence(*ids):
    ids = np.array(ids, np.int32)
    return Encoded(ids, np.ones(len(ids), bool), np.ones(len(ids), bool))


def test_counts_sentences_and_not_occurrences():
    # Token 1 is in all three, 2 in one (twice), 3 in two, 0 and 4 in none.
    sentences = [_sentence(1, 2, 2), _sentence(1, 3), _sentence(3, 1)]
    found = frequency.inverse(sentences, size=5)
    expected = [np.log(4 / (1 + n)) + 1 for n in (0, 3, 1, 2, 0)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found[1] == pytest.approx(1)
    assert (found > 0).all()
