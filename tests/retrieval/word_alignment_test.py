import re

import numpy as np
import pytest

from optical_jax.data.sources import Pair
from optical_jax.retrieval import word_alignment
from tests.models import tiny


def _spans(text):
    found = [m.span() for m in re.finditer(r"\S+", text)]
    return np.array(found, np.int32).reshape(-1, 2)


def _links(student, teacher, pairs, **settings):
    words = [(_spans(p.source), _spans(p.target)) for p in pairs]
    return word_alignment.word_links(
        student,
        teacher,
        pairs,
        words,
        **{"epsilon": 0.05, "threshold": 0.3, **settings},
    )


@pytest.fixture(scope="module")
def model():
    return tiny.make(tiny.TOKENWISE)


def test_a_text_is_linked_with_itself_word_by_word(model):
    pairs = [Pair(t, t) for t in ("who wrote the book", "habari dunia", "the word")]
    for links in _links(model, model, pairs).values():
        assert [
            {(i, i) for i in range(n)} <= found
            for n, found in zip((4, 2, 2), links, strict=True)
        ] == [True] * 3
    exact = _links(model, model, pairs)["cosine, mutual"]
    assert exact == [{(i, i) for i in range(n)} for n in (4, 2, 2)]


def test_links_turn_with_the_pair(model):
    pair = Pair("who the habari", "book dunia word word")
    (there,) = _links(model, model, [pair])["cosine, mutual"]
    (back,) = _links(model, model, [Pair(pair.target, pair.source)])["cosine, mutual"]
    assert there == {(i, j) for j, i in back}
    assert there


def test_other_pairs_of_a_batch_change_nothing(model):
    pairs = [Pair("who the habari", "book dunia"), Pair("the", "word " * 12)]
    alone = _links(model, model, pairs[:1])
    for name, links in _links(model, model, pairs).items():
        assert links[0] == alone[name][0]


def test_markers_and_expansion_are_no_words():
    model = tiny.make(tiny.COLBERT)
    (found,) = _links(model, model, [Pair("habari", "habari")])["transport, mutual"]
    assert found <= {(0, 0)}


def test_a_high_threshold_leaves_fewer_links(model):
    pairs = [Pair("who wrote the book", "habari dunia the word")]
    sizes = [
        len(_links(model, model, pairs, threshold=t)["transport, share"][0])
        for t in (0.01, 0.2, 0.99)
    ]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2]
