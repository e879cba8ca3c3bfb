import dataclasses

import numpy as np
import pytest
from tokenizers import processors

from optical_jax.data import tokenize
from optical_jax.models.head import HeadConfig
from tests.models import tiny


def _encoder(**fields):
    return tokenize.TextEncoder(
        tiny.wordpiece(), dataclasses.replace(tiny.COLBERT, **fields)
    )


def test_places_do_not_count_the_prompt():
    model = tiny.make(tiny.TOKENWISE)
    prompted = tiny.with_head(model, query_prompt="who: ").text
    (row,), (places,) = (
        prompted.queries(["the book"]),
        prompted.query_places(["the book"]),
    )
    assert len(places) == len(row.ids)
    (plain,) = model.text.query_places(["the book"])
    kept = [tuple(p) for p in places if p[0] < p[1]]
    assert kept == [tuple(p) for p in plain if p[0] < p[1]]
    assert len(kept) < len(places) - 2


def test_query_has_marker_after_the_first_token_and_is_expanded():
    (row,) = _encoder().queries(["habari dunia"])
    tokens = _encoder().tokens(row.ids)
    assert tokens[:5] == ["[CLS]", "[Q] ", "habari", "dunia", "[SEP]"]
    assert tokens[5:] == ["[MASK]"] * 11
    assert row.attended.tolist() == [True] * 5 + [False] * 11
    assert row.scored.all()
    (attending,) = _encoder(attend_to_expansion=True).queries(["habari dunia"])
    assert attending.attended.all()


def test_document_keeps_punctuation_but_does_not_score_it():
    (row,) = _encoder().documents(["who, habari!"])
    tokens = _encoder().tokens(row.ids)
    assert tokens == ["[CLS]", "[D] ", "who", ",", "habari", "!", "[SEP]"]
    assert row.attended.all()
    assert [t for t, s in zip(tokens, row.scored, strict=True) if not s] == [",", "!"]


@pytest.mark.parametrize("marker", ["[D] ", None])
def test_long_texts_are_cut_and_keep_marker_and_end(marker):
    encoder = _encoder(document_marker=marker)
    (row,) = encoder.documents(["word " * 60])
    tokens = encoder.tokens(row.ids)
    assert len(tokens) == 24
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    assert ("[D] " in tokens) == (marker is not None)
    assert tokens.count("word") == (21 if marker else 22)


def test_empty_text_is_only_its_frame():
    head = HeadConfig(query_length=16)
    (row,) = tokenize.TextEncoder(tiny.wordpiece(), head).queries([""])
    assert len(row.ids) == 2


def test_t5_has_its_marker_first_and_only_an_end():
    special = tokenize.SpecialTokens(pad="<pad>", mask="</s>", unknown="<unk>")
    encoder = tokenize.TextEncoder(tiny.unigram_t5(), tiny.COLBERT, special=special)
    rows = encoder.queries(["who", "", "word " * 60])
    short, empty, long = (encoder.tokens(row.ids) for row in rows)
    # Expanded with the end of text, for want of a mask token.
    assert short == ["[Q] ", "▁who", *["</s>"] * 14]
    assert empty == ["[Q] ", *["</s>"] * 15]
    assert long == ["[Q] ", *["▁word"] * 14, "</s>"]
    assert rows[0].attended.tolist() == [True] * 3 + [False] * 13
    bare = dataclasses.replace(tiny.TOKENWISE, query_length=4)
    encoder = tokenize.TextEncoder(tiny.unigram_t5(), bare, special=special)
    assert encoder.tokens(encoder.queries(["who " * 9])[0].ids) == [
        *["▁who"] * 3,
        "</s>",
    ]


def test_a_text_is_cut_at_its_end_where_nothing_stands_behind_it():
    tokenizer = tiny.unigram()
    tokenizer.post_processor = processors.Sequence([])
    special = tokenize.SpecialTokens(pad="<pad>", mask=None)
    head = dataclasses.replace(tiny.TOKENWISE, query_length=4, query_marker="[Q] ")
    encoder = tokenize.TextEncoder(tokenizer, head, special=special)
    (row, empty) = encoder.queries(["who the who the book", ""])
    assert encoder.tokens(row.ids) == ["[Q] ", "▁who", "▁the", "▁who"]
    assert encoder.tokens(empty.ids) == ["[Q] "]
    with pytest.raises(ValueError, match=r"head\.expansion needs a mask token"):
        tokenize.TextEncoder(tokenizer, tiny.COLBERT, special=special)


def test_pad_stacks_and_masks():
    encoder = _encoder()
    batch = tokenize.pad(
        encoder.documents(["who", "habari dunia!"]), 10, pad_id=encoder.pad_id
    )
    assert batch["ids"].shape == (2, 10)
    assert batch["mask"].sum(1).tolist() == [4, 6]
    assert batch["scored"].sum(1).tolist() == [4, 5]
    assert (batch["ids"][~batch["mask"]] == encoder.pad_id).all()
    assert batch["ids"].dtype == np.int32
    with pytest.raises(ValueError, match=r"length must be at least 6 tokens, got 5"):
        tokenize.pad(encoder.documents(["habari dunia!"]), 5, pad_id=0)


def test_a_marker_outside_the_vocabulary_is_named():
    tokenizer = tiny.wordpiece(markers=False)
    with pytest.raises(
        ValueError, match=r"head\.query_marker needs the token '\[Q\] '"
    ):
        tokenize.TextEncoder(tokenizer, tiny.COLBERT)


@pytest.mark.parametrize("text", ["Habari, ọjọ́ rere?", "word " * 60, "", "😀 नमस्ते who"])
@pytest.mark.parametrize("head", [tiny.COLBERT, tiny.TOKENWISE])
def test_places_tell_what_each_token_stands_for(text, head):
    encoder = tokenize.TextEncoder(tiny.wordpiece(accents=True), head)
    (row,), (places,) = encoder.queries([text]), encoder.query_places([text])
    tokens = encoder.tokens(row.ids)
    assert places.shape == (len(tokens), 2)
    for token, (begin, end) in zip(tokens, places, strict=True):
        if token.startswith("[") and token != "[UNK]":
            assert begin == end
        elif token != "[UNK]":
            assert text[begin:end].lower() == token.removeprefix("##")
