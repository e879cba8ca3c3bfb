import unicodedata

import pytest

from optical_jax.data import alignment, word_spans

TEXTS = [
    "Ng'ombe wa ‘Rais’, 2,500! -- 'quoted' O'Neill’s",
    "Obama’s snake_case Straße ŒUVRE İstanbul",
    "O\u0323mo\u0323 \u1ecd\u0300hu\u0301n",
    "हिन्दी में। क्या है?",
    "東京タワー 京 ok 東京Tower2東東東",
    "สวัสดี ชาวโลก (Hello)",
    "... -- '",
    "می\u200cخواهم بروم",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_those_of_word_tokenize_and_lie_where_they_say(text: str) -> None:
    text = unicodedata.normalize("NFC", text)
    found = word_spans.spans(text)
    assert [span.word for span in found] == alignment.word_tokenize(text)
    for span in found:
        assert alignment.word_tokenize(text[span.begin : span.end]) == [span.word]
    begins = [span.begin for span in found]
    assert begins == sorted(set(begins))


def test_repeated_characters_of_unspaced_scripts_keep_their_places() -> None:
    found = word_spans.spans("ab京京京京")
    assert [(s.begin, s.end) for s in found] == [(0, 2), (2, 4), (3, 5), (4, 6)]
