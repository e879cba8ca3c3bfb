import dataclasses

import numpy as np

from optical_jax.data import pipeline, tokenize, word_splits
from optical_jax.data.examples import Field, Whole
from optical_jax.data.tokenize import Encoded
from tests.models import tiny

PARTS = {7: [70, 71], 9: [90, 91, 92]}
NUMBERS = (5, 3, 8)


def _text(*ids):
    scored = np.arange(len(ids)) > 0
    return Encoded(np.array(ids, np.int32), np.ones(len(ids), bool), scored)


def _split(text, *, probability=1.0, seed=0, number=3, room=99, numbers=NUMBERS):
    splits = word_splits.WordSplits(parts=PARTS, probability=probability, seed=seed)
    return splits.of_batch(numbers)(text, number=number, room=room)


def test_words_are_split_into_their_parts_with_their_marks():
    found = _split(_text(7, 1, 9, 7))
    assert found.ids.tolist() == [70, 71, 1, 90, 91, 92, 70, 71]
    assert found.ids.dtype == np.int32
    assert found.scored.tolist() == [False, False] + [True] * 6
    assert found.attended.all()
    assert _split(_text(7, 1, 9), probability=0.0).ids.tolist() == [7, 1, 9]
    assert _split(_text(1, 2)).ids.tolist() == [1, 2]


def test_no_text_outgrows_its_room():
    text = _text(7, 9, 7, 9, 7, 9)
    for room in range(6, 16):
        found = _split(text, room=room)
        assert len(found.ids) <= room
        assert len(found.ids) >= min(room - 1, 15)


def test_a_share_is_split_the_same_way_whenever_the_batch_is_read():
    text = _text(*[7] * 4000)
    found = _split(text, probability=0.3, room=9999).ids.tolist()

    def again(**options):
        return _split(text, probability=0.3, room=9999, **options).ids.tolist()

    assert abs(found.count(70) / 4000 - 0.3) < 0.03
    assert again() == found
    for other in ({"numbers": NUMBERS[::-1]}, {"seed": 1}, {"number": 8}):
        assert again(**other) != found


class _Texts:
    def read(self, indices):
        return [{"target": ["habari dunia " * (i + 1)]} for i in indices]


def _assemble(own=None):
    tokenizer = tiny.wordpiece()
    head = dataclasses.replace(tiny.TOKENWISE, query_length=10)
    text = tokenize.TextEncoder(tokenizer, head)
    words = ("habari", "h", "##bari")
    word, *parts = map(tokenizer.token_to_id, words)
    splits = word_splits.WordSplits(parts={word: parts}, probability=0.5, seed=0)
    fields = {"x": Field(text=text, kind="query", column="target", splits=splits)}
    reader = Whole(_Texts(), fields)
    rows, lengths = reader.window(np.arange(6) % 2)
    made = pipeline.Assemble(
        fields=fields, reader=reader, buckets=(8,), shared={}, own=own
    )(rows)
    return lengths, made["x"], word


def test_a_batch_is_padded_as_if_no_word_were_split():
    lengths, batch, word = _assemble()
    assert max(lengths) == 6
    assert batch["ids"].shape == (6, 8)
    longer = batch["mask"].sum(1) - np.array(lengths)
    whole = (batch["ids"] == word).sum(1)
    assert (longer + whole == np.arange(6) % 2 + 1).all()
    assert 0 < longer.sum() < 9


def test_hosts_split_their_own_rows_as_one_host_splits_them():
    _, batch, _ = _assemble()
    own = np.array([1, 4])
    _, part, _ = _assemble(own)
    np.testing.assert_array_equal(part["ids"], batch["ids"][own])
