import numpy as np
import pytest

from optical_jax.data import pipeline, tokenize
from optical_jax.data.sources import Pair
from optical_jax.objectives.mixture import ObjectiveConfig
from optical_jax.objectives.transport import TransportConfig
from optical_jax.training import extras
from tests.models import tiny

_PAIRS = [
    Pair("who wrote the book", "habari na dunia"),
    Pair("the word", "habari na"),
    Pair("the book", "dunia na"),
]


@pytest.fixture(scope="module")
def fields():
    text = tiny.make(tiny.TOKENWISE).text
    return {
        # The student's column holds texts that are changed while training.
        key: pipeline.Field(text=text, kind="query", column=column)
        for key, column in (("student/target", "changed"), ("teacher/source", "source"))
    }


def _made(fields, key, objective):
    """The extras of a batch of pairs 2 and 0."""
    chosen = [2, 0]
    encoded = {
        name: field.encode([getattr(_PAIRS[i], name.split("/")[1]) for i in chosen])
        for name, field in fields.items()
    }
    arrays = tokenize.pad(encoded[key], 16, pad_id=fields[key].text.pad_id)
    rows = [(i, {n: [e[k]] for n, e in encoded.items()}) for k, i in enumerate(chosen)]
    found = extras.make(objective, fields, _PAIRS)[key].items()
    return {name: extra(rows, arrays) for name, extra in found}, encoded[key]


def test_idf_weighs_the_tokens_of_its_own_side(fields):
    objective = ObjectiveConfig(transport=TransportConfig(marginals="idf"))
    found, encoded = _made(fields, "teacher/source", objective)
    assert found["idf"].shape == (2, 16)
    names = fields["teacher/source"].text.tokens(encoded[0].ids)
    weights = dict(zip(names, found["idf"][0], strict=False))
    # Of three sources all have "the", two have "book".
    assert weights["the"] == pytest.approx(1)
    assert weights["book"] == pytest.approx(np.log(4 / 3) + 1)


def test_links_are_those_of_the_batchs_pairs(fields):
    objective = ObjectiveConfig(mix="word-links + greedy")
    found, encoded = _made(fields, "student/target", objective)
    assert found["links"].shape == (2, 16, 16)
    for matrix, target in zip(found["links"], encoded, strict=True):
        last = len(target.ids) - 1
        assert matrix[0, 0]
        assert matrix[last].sum() == 1
        assert not matrix[last + 1 :].any()


def test_nothing_is_made_that_nothing_asks_for(fields):
    assert extras.make(ObjectiveConfig(), fields, _PAIRS) == {}
    attention = ObjectiveConfig(transport=TransportConfig(marginals="attention"))
    found = extras.make(attention, fields, _PAIRS)
    assert found == {"student/target": {}, "teacher/source": {}}
