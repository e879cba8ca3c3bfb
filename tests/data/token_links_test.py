import numpy as np
import pytest

from optical_jax.data import token_links
from tests.models import tiny

# Words of one token each.
_ENGLISH = ("who", "book", "the", "word", "a", "b", "c")
_OTHER = ("habari", "dunia", "h", "i", "k", "n", "u")


@pytest.fixture(scope="module")
def text():
    return tiny.make(tiny.COLBERT).text


def _bitext(rng, n=120):
    """Word k of one language is word k of the other, in the same order."""
    rows = [rng.permutation(7)[: rng.integers(2, 5)] for _ in range(n)]
    sources = [" ".join(_ENGLISH[k] for k in row) for row in rows]
    return sources, [" ".join(_OTHER[k] for k in row) for row in rows]


def _linked(text, sources, targets, chosen):
    """Link some pairs of a bitext; return matrices and the tokens' spellings."""
    target, source = text.queries(targets), text.documents(sources)
    linker = token_links.train(target, source, target=text, source=text, threshold=0.4)
    sides = [[side[i] for i in chosen] for side in (target, source)]
    names = [[text.tokens(one.ids) for one in side] for side in sides]
    return linker.matrices(*sides, (16, 24)), *names


def test_words_of_a_made_up_language_are_linked_to_their_translations(rng, text):
    sources, targets = _bitext(rng)
    matrices, target, source = _linked(text, sources, targets, range(120))
    translation = dict(zip(_ENGLISH, _OTHER, strict=True))
    right = total = linked = 0
    for matrix, others, names in zip(matrices, target, source, strict=True):
        for s, word in enumerate(names):
            if word in translation:
                found = [others[t] for t in np.flatnonzero(matrix[:, s])]
                right += found == [translation[word]]
                linked += len(found)
                total += 1
    assert right > 0.9 * total
    assert linked < 1.1 * total


def test_special_tokens_are_linked_to_their_likes_and_the_rest_to_none(rng, text):
    sources, targets = _bitext(rng, 20)
    (matrix,), (target,), (source,) = _linked(text, sources, targets, [3])
    assert matrix[0, 0]
    assert matrix[target.index("[SEP]"), source.index("[SEP]")]
    special = [n in ("[CLS]", "[Q] ", "[MASK]", "[SEP]") for n in target]
    # The query's marker and its [MASK] tokens have no likes in a document.
    assert matrix[special].sum() == 2
    assert not matrix[:, len(source) :].any()


def test_a_pair_without_words_keeps_its_special_tokens(rng, text):
    sources, targets = _bitext(rng, 20)
    (matrix,), *_ = _linked(text, ["", *sources], ["", *targets], [0])
    # [CLS] and [SEP]: between them are the markers, which differ.
    assert np.argwhere(matrix).tolist() == [[0, 0], [2, 2]]
