import json

import pytest

from optical_jax.models import subwords
from tests.models import tiny

SWAHILI = ["kitabu kile ni kizuri sana", "habari za asubuhi dunia"] * 5


def train(texts: list[str], **options: object) -> subwords.tokenizers.Tokenizer:
    defaults = {"size": 100, "min_frequency": 2, "replace": False, "copied": {}}
    return subwords.train(tiny.wordpiece(), texts, **{**defaults, **options})


def pieces(tokenizer: subwords.tokenizers.Tokenizer, text: str) -> list[str]:
    return tokenizer.encode(text, add_special_tokens=False).tokens


def test_no_piece_is_left_that_splits_nothing() -> None:
    old = tiny.wordpiece().get_vocab()
    tokenizer = train(SWAHILI, size=500)
    used = {piece for text in SWAHILI for piece in pieces(tokenizer, text)}
    fresh = [p for p in tokenizer.get_vocab() if p not in old and len(p) > 3]
    assert fresh
    assert set(fresh) <= used


def test_rare_words_are_not_learnt() -> None:
    tokenizer = train([*SWAHILI, "mzizi"])
    assert "mzizi" not in tokenizer.get_vocab()


@pytest.mark.parametrize("replace", [False, True])
def test_unigram(replace: bool) -> None:
    teacher = tiny.unigram()
    tokenizer = subwords.train(
        teacher, SWAHILI, size=60, min_frequency=2, replace=replace, copied={}
    )
    vocab = tokenizer.get_vocab()
    assert vocab["<pad>"] == 1
    text = SWAHILI[0]
    assert len(pieces(tokenizer, text)) < 0.8 * len(pieces(teacher, text))
    if not replace:
        assert vocab.items() >= teacher.get_vocab().items()
        assert pieces(tokenizer, "book") == ["▁book"]
    assert tokenizer.encode("kile").ids[0] == vocab["<s>"]
    assert json.loads(tokenizer.to_str())["model"]["unk_id"] == vocab["<unk>"]


def test_clauses_without_spaces_are_no_unknown_words() -> None:
    clause = "สวัสดีครับ" * 15
    text = f"{clause} ok"
    tokenizer = train([text] * 4)
    assert "[UNK]" not in pieces(tokenizer, text)
    # One such word in many is a slip: the tokenizer stays as it is.
    kept = train([*SWAHILI * 150, clause])
    assert pieces(kept, clause) == ["[UNK]"]
