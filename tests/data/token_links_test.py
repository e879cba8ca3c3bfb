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


def _link(text, sources, targets):
    target, source = text.queries(targets), text.documents(sources)
    settings = {"target_text": text, "source_text": text, "threshold": 0.4}
    return token_links.link(target, source, **settings), target, source


def test_words_of_a_made_up_language_are_linked_to_their_translations(rng, text):
    sources, targets = _bitext(rng)
    links, target, source = _link(text, sources, targets)
    translation = dict(zip(_ENGLISH, _OTHER, strict=True))
    right = total = linked = 0
    for i, matrix in enumerate(links.matrices(range(len(targets)), (16, 24))):
        names = [text.tokens(side[i].ids) for side in (target, source)]
        words = [(s, n) for s, n in enumerate(names[1]) if n in translation]
        for s, word in words:
            found = [names[0][t] for t in np.flatnonzero(matrix[:, s])]
            right += found == [translation[word]]
            linked += len(found)
            total += 1
    assert right > 0.9 * total
    assert linked < 1.1 * total


def test_special_tokens_are_linked_to_their_likes_and_the_rest_to_none(rng, text):
    sources, targets = _bitext(rng, 20)
    links, target, source = _link(text, sources, targets)
    (matrix,) = links.matrices([3], (16, 24))
    ids = target[3].ids, source[3].ids
    names = [text.tokens(side) for side in ids]
    assert matrix[0, 0]
    assert matrix[names[0].index("[SEP]"), names[1].index("[SEP]")]
    special = [n in ("[CLS]", "[Q] ", "[MASK]", "[SEP]") for n in names[0]]
    # The query's marker and its [MASK] tokens have no likes in a document.
    assert matrix[special].sum() == 2
    assert not matrix[:, len(ids[1]) :].any()


def test_a_pair_without_words_keeps_its_special_tokens(rng, text):
    sources, targets = _bitext(rng, 20)
    links, *_ = _link(text, ["", *sources], ["", *targets])
    (matrix,) = links.matrices([0], (16, 24))
    # [CLS] and [SEP]: between them are the markers, which differ.
    assert np.argwhere(matrix).tolist() == [[0, 0], [2, 2]]
