import unicodedata

from tokenizers import Tokenizer, normalizers

from optical_jax.models import accents, subwords
from tests.models import tiny

YORUBA = ["Ẹ káàárọ̀ o", "ọjọ́ rere", "ọmọ náà ń lọ"] * 5
SWAHILI = ["kitabu kile ni kizuri sana", "habari za asubuhi dunia"] * 5


def train(texts: list[str], *, teacher: Tokenizer | None = None) -> Tokenizer:
    return subwords.train(
        teacher or tiny.wordpiece(),
        texts,
        size=100,
        min_frequency=2,
        replace=False,
        copied={},
    )


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    return tokenizer.encode(text, add_special_tokens=False).tokens


def test_marks_of_the_language_are_kept() -> None:
    tokenizer = train(YORUBA)
    word = unicodedata.normalize("NFC", "ọmọ")
    assert pieces(tokenizer, "Ọmọ") == [word]
    assert pieces(tokenizer, unicodedata.normalize("NFD", "Ọmọ")) == [word]


def test_marks_of_other_languages_are_stripped_as_the_teacher_does() -> None:
    tokenizer = train(SWAHILI)
    for name in ("Dvořák", "São", "Beyoncé"):
        assert pieces(tokenizer, name) == pieces(tiny.wordpiece(), name)
    # A tilde is foreign to Yoruba, an acute is not.
    assert "ã" not in "".join(pieces(train(YORUBA), "São"))


def test_cased_teacher_keeps_everything() -> None:
    teacher = tiny.wordpiece()
    teacher.normalizer = normalizers.BertNormalizer(
        lowercase=False, strip_accents=False
    )
    tokenizer = train(SWAHILI + ["São"] * 2, teacher=teacher)
    assert pieces(tokenizer, unicodedata.normalize("NFD", "São")) == ["São"]


def test_other_normalizers_are_left_alone() -> None:
    assert accents.normalizer({"type": "NFKC"}, YORUBA) == {"type": "NFKC"}
    assert accents.normalizer(None, YORUBA) is None
