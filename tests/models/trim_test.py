import json

import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from optical_jax.data.sources import Pair
from optical_jax.models import trim, vocabulary
from optical_jax.models.vocabulary import VocabularyConfig
from tests.models import tiny

# Of TEXTS, a language in Latin letters.
KEPT = (tiny.TEXTS[0], tiny.TEXTS[2], "habari ya dunia bari", "word")
OTHER = "नमस्ते दुनिया"


def bpe(*, byte_level: bool = False, fallback: bool = False) -> tokenizers.Tokenizer:
    """A BPE vocabulary of TEXTS, of characters or bytes, with merges."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    fallback_pieces = [f"<0x{i:02X}>" for i in range(256)] if fallback else []
    tokenizer = tokenizers.Tokenizer(
        models.BPE(unk_token="<unk>", byte_fallback=fallback)
    )
    tokenizer.pre_tokenizer = (
        pre_tokenizers.ByteLevel() if byte_level else pre_tokenizers.Metaspace()
    )
    tokenizer.decoder = decoders.ByteLevel() if byte_level else decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        special_tokens=[*special, *fallback_pieces],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if byte_level else [],
        show_progress=False,
    )
    tokenizer.train_from_iterator([*tiny.TEXTS, *KEPT] * 3, trainer)
    state = json.loads(tokenizer.to_str())
    # Bytes of the fallback are ordinary pieces, as in sentencepiece's own models.
    state["added_tokens"] = state["added_tokens"][: len(special)]
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(state))
    return tiny._finish(tokenizer, special, ("<s>", "</s>"), markers=True)


KINDS = {
    "WordPiece": tiny.wordpiece,
    "accents": lambda: tiny.wordpiece(accents=True),
    "Unigram": tiny.unigram,
    "BPE": bpe,
    "byte-level BPE": lambda: bpe(byte_level=True),
    "byte fallback": lambda: bpe(fallback=True),
}


def pieces(tokenizer: tokenizers.Tokenizer, text: str) -> list[str]:
    # Unigram spells an unknown run in `tokens` as it stands in the text.
    return [tokenizer.id_to_token(i) for i in tokenizer.encode(text).ids]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_texts_are_split_as_before(kind: str) -> None:
    before = KINDS[kind]()
    made = trim.trim(before, iter(KEPT))
    after = made.tokenizer
    assert after.get_vocab_size() == len(made.kept) < before.get_vocab_size()
    for text in KEPT:
        one, other = before.encode(text), after.encode(text)
        assert one.tokens == other.tokens
        assert one.offsets == other.offsets
        # New id i was kept[i], for special tokens too.
        assert made.kept[other.ids].tolist() == one.ids
    for token in before.get_added_tokens_decoder().values():
        assert after.token_to_id(token.content) is not None


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_any_text_of_kept_pieces_is_split_as_before(kind: str) -> None:
    # Longest match, best path and merges by rank: what was not chosen is not missed.
    before = KINDS[kind]()
    after = trim.trim(before, KEPT).tokenizer
    rng = np.random.default_rng(0)
    letters = sorted(set("".join(KEPT)))
    kept = set(after.get_vocab())
    same = 0
    for _ in range(300):
        words = rng.choice([*" ".join(KEPT).split(), "dunbari", "bar", "worda"], 4)
        noise = "".join(rng.choice(letters, 5))
        text = " ".join([*words, noise])
        was = pieces(before, text)
        if kept.issuperset(was):
            assert pieces(after, text) == was
            same += 1
    assert same > 50


@pytest.mark.parametrize("kind", ["WordPiece", "Unigram", "BPE"])
def test_another_script_becomes_unknown(kind: str) -> None:
    before = KINDS[kind]()
    after = trim.trim(before, KEPT).tokenizer
    unknown = {"[UNK]", "<unk>"}
    assert not unknown & set(pieces(before, OTHER))
    changed = set(pieces(after, OTHER)) - set(pieces(before, OTHER))
    assert changed <= unknown | {"▁"}
    assert unknown & changed


@pytest.mark.parametrize("kind", ["byte-level BPE", "byte fallback"])
def test_bytes_stay_so_that_nothing_is_unknown(kind: str) -> None:
    before = KINDS[kind]()
    made = trim.trim(before, KEPT)
    after = made.tokenizer
    assert "<unk>" not in pieces(after, OTHER + "谁 \u1234")
    if kind == "byte fallback":
        assert {f"<0x{i:02X}>" for i in range(256)} <= after.get_vocab().keys()
        assert "<0xE1>" in pieces(after, "\u1234")
    else:
        assert after.decode(after.encode(OTHER).ids).strip() == OTHER


def test_unknown_characters_keep_their_price() -> None:
    # Unigram charges an unknown character 10 less than the lowest score there is.
    pieces_ = [("<unk>", 0.0), ("▁a", -1.0), ("a", -2.0), ("ab", -3.0), ("rare", -50.0)]
    before = tokenizers.Tokenizer(models.Unigram(pieces_, unk_id=0))
    before.pre_tokenizer = pre_tokenizers.Metaspace()
    made = trim.trim(before, ["a", "aab"])
    assert "rare" in made.tokenizer.get_vocab()
    assert "ab" in made.tokenizer.get_vocab()
    for text in ("aab", "abbb", "bab"):
        assert pieces(made.tokenizer, text) == pieces(before, text)


def test_single_characters_of_the_texts_stay() -> None:
    after = trim.trim(tiny.wordpiece(), ["dunia"]).tokenizer.get_vocab()
    assert {"d", "##d", "##a", "dunia"} <= after.keys()
    assert not {"habari", "b", "##b"} & after.keys()


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_vectors_are_the_same_bit_for_bit(family: str) -> None:
    model = tiny.make(tiny.COLBERT, family=family)
    smaller = trim.apply(model, KEPT)
    assert smaller.encoder.vocab_size < model.encoder.vocab_size
    assert smaller.encoder.pad_token_id == smaller.text.pad_id
    before, after = (
        tiny.vectors(r, [*r.text.queries(KEPT), *r.text.documents(KEPT)])
        for r in (model, smaller)
    )
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_skip_list_stays() -> None:
    smaller = trim.apply(tiny.make(tiny.COLBERT), ["dunia"])
    (document,) = smaller.text.documents(["dunia?"])
    assert document.scored.tolist() == [True, True, True, False, True]


def test_positions_that_count_from_the_padding_token() -> None:
    # Another id for padding would shift every position of XLM-R.
    state = json.loads(tiny.unigram().to_str())
    vocab = state["model"]["vocab"]
    vocab.insert(0, ["zzz", -3.0])
    state["model"]["unk_id"] += 1
    for token in state["added_tokens"]:
        token["id"] += 1
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(state))
    tokenizer = tiny._finish(tokenizer, [], ("<s>", "</s>"), markers=False)
    model = tiny.make(tiny.COLBERT, family="xlm-roberta", tokenizer=tokenizer)
    with pytest.raises(ValueError, match="padding token, 2, which would become 1"):
        trim.apply(model, KEPT)


def test_no_text() -> None:
    with pytest.raises(ValueError, match="trimmed to texts, got 0"):
        trim.trim(tiny.wordpiece(), [])


def test_other_kinds() -> None:
    tokenizer = tokenizers.Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    with pytest.raises(ValueError, match="WordPiece, BPE or Unigram.*got WordLevel"):
        trim.trim(tokenizer, ["a"])


def test_mode_of_a_students_vocabulary() -> None:
    tokenizer = tiny.wordpiece()
    rows = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), 4))
    pairs = [Pair("the book", KEPT[0]), Pair("who", KEPT[2])]
    config = VocabularyConfig(mode="trim", row_multiple=32)
    made = vocabulary.transplant(
        tokenizer, rows.astype(np.float32), pairs, config, seed=0
    )
    assert made.report["kept"] + made.report["dropped"] == len(rows)
    assert len(made.embeddings) % 32 == 0
    for piece in ("book", "who", "[MASK]", "habari", "[Q] "):
        np.testing.assert_array_equal(
            made.embeddings[made.tokenizer.token_to_id(piece)],
            rows.astype(np.float32)[tokenizer.token_to_id(piece)],
        )
    assert made.tokenizer.token_to_id("न") is None
