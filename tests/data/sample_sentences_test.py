import pytest

from optical_jax.data import sample_language, sample_lexicon, sample_sentences

RIVER, MAYOR = sample_lexicon.RELATIONS["town"][:2]
TOWN = sample_language.Name("Marun", "town")


@pytest.fixture
def speaker():
    return sample_sentences.Speaker(
        sample_language.Draw(0), sample_language.Invented(0)
    )


@pytest.mark.parametrize("as_attribute", [True, False])
def test_statements_name_subject_and_value_in_both_languages(speaker, as_attribute):
    fact = sample_sentences.Fact(TOWN, RIVER, sample_language.Name("Olem", "thing"))
    said = [speaker.statement(fact, as_attribute=as_attribute) for _ in range(20)]
    for sentence in said:
        assert all("Marun" in side and "Olem" in side for side in sentence)
        assert all(side[0].isupper() and side.endswith(".") for side in sentence)
    assert len(set(said)) > 10
    assert all(("is" in s.english.split()) == as_attribute for s in said) or any(
        "It is said" in s.english for s in said
    )


def test_questions_name_the_subject_and_never_the_value(speaker):
    value = sample_language.Name("Tamo Derin", "person")
    fact = sample_sentences.Fact(TOWN, MAYOR, value)
    asked = [speaker.question(fact) for _ in range(30)]
    assert all("Marun" in side for pair in asked for side in pair)
    assert not any("Derin" in side for pair in asked for side in pair)
    assert all(pair.english.endswith("?") for pair in asked)
    assert all(pair.invented.endswith(" ka?") for pair in asked)


def test_plain_questions_keep_to_the_first_words(speaker):
    value = sample_language.Name("Tamo Derin", "person")
    fact = sample_sentences.Fact(TOWN, MAYOR, value)
    plain = " ".join(speaker.question(fact, plain=True).english for _ in range(30))
    assert "governs" in plain
    assert not any(word in plain for word in ("governor", "elected"))
    free = " ".join(speaker.question(fact).english for _ in range(30))
    assert "elected" in free


def test_years_happen(speaker):
    fire = sample_lexicon.RELATIONS["town"][6]
    fact = sample_sentences.Fact(TOWN, fire, sample_language.Name("1666", "year"))
    said = speaker.statement(fact, as_attribute=True)
    assert "happened in 1666" in said.english
    assert "1666" in said.invented


def test_a_mention_names_another_subject(speaker):
    person = sample_language.Name("Tamo Derin", "person")
    assert "leads from the" in speaker.mention(TOWN).english
    assert all("Derin" in side for side in speaker.mention(person))
