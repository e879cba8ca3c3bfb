import io

import pytest
import rich.console

from optical_jax.data.links import GoldLinks
from optical_jax.data.sources import Pair
from optical_jax.retrieval import alignment_quality
from tests.models import tiny

PAIRS = [
    Pair("who wrote the book", "who wrote the book"),
    Pair("habari dunia.", "habari dunia."),
    Pair("the word", "the word"),
    Pair("book , who", "book , who"),
]


def _gold(*numbers):
    return [GoldLinks(*[frozenset((i, i) for i in range(n))] * 2) for n in numbers]


@pytest.fixture(scope="module")
def model():
    return tiny.make(tiny.TOKENWISE)


@pytest.fixture(scope="module")
def found(model):
    return alignment_quality.measure(model, model, PAIRS, gold=_gold(4, 2, 2, 3))


def test_equal_texts_are_found_and_linked(found):
    assert (found.sentences, found.pairs, found.judged_by) == (4, 4, "gold links")
    assert all(m == {"R@1": 1.0, "RR": 1.0} for m in found.retrieval.values())
    assert found.words["cosine, mutual"].aer == 0
    assert "ibm1 both ways" in found.words


def test_without_gold_the_aligner_judges(model):
    found = alignment_quality.measure(model, model, PAIRS, training=PAIRS * 3)
    assert found.judged_by == "ibm1 both ways"
    assert "ibm1 both ways" not in found.words
    # The aligner links equal words, and knows none that is punctuation alone.
    assert found.words["cosine, mutual"].sure == 4 + 2 + 2 + 2
    assert found.words["cosine, mutual"].recall == 1


def test_a_sentence_is_searched_once_but_its_words_are_all_linked(model):
    pairs = [*PAIRS, Pair("the word", "habari"), Pair("dunia", "book , who")]
    found = alignment_quality.measure(model, model, pairs)
    assert found.pairs == 6
    assert found.sentences == 4


def test_one_vector_a_text_has_no_words():
    model = tiny.make(tiny.POOLED)
    found = alignment_quality.measure(model, model, PAIRS)
    assert found.words == {}
    assert len(alignment_quality.tables(found)) == 1
    assert found.retrieval["target->source", "cosine"]["R@1"] == 1


def test_tables_show_every_number(found):
    console = rich.console.Console(file=io.StringIO(), width=120)
    for table in alignment_quality.tables(found):
        console.print(table)
    told = console.file.getvalue()
    assert "translations found among 4" in told
    assert "word links of 4 pairs, by gold links" in told
    assert told.count("target->source") == 3
    assert "transport, share" in told
