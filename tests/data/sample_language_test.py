import re

import pytest

from optical_jax.data import sample_language, sample_lexicon


@pytest.fixture
def language():
    return sample_language.Invented(0)


def test_shuffled_keeps_every_item():
    draw = sample_language.Draw(0)
    items = list(range(50))
    shuffled = draw.shuffled(items)
    assert shuffled != items
    assert sorted(shuffled) == items


def test_integer_covers_its_range():
    draw = sample_language.Draw(0)
    assert {draw.integer(2, 5) for _ in range(100)} == {2, 3, 4}


def test_names_never_repeat():
    names = sample_language.Names(sample_language.Draw(0))
    drawn = [names.draw("town").text for _ in range(500)]
    assert len(set(drawn)) == 500


@pytest.mark.parametrize(
    ("here", "there"),
    [("Cothel", "Koðel"), ("Sharicun", "Ŝarikun"), ("Marun", "Marun")],
)
def test_names_are_spelt_as_they_sound(language, here, there):
    assert language.name(sample_language.Name(here, "town")) == there


def test_the_verb_comes_last_and_the_postposition_after_its_noun(language):
    kinds = {"{h}": "town", "{v}": "thing"}
    said = language.clause(
        "{v} flows through {h}", {"{h}": "Marun", "{v}": "Olem"}, kinds
    ).split()
    assert said[0] == "Olem"
    assert said[1] == "Marun"
    assert len(said) == 4
    other = language.clause(
        "{v} sings in the woods of {h}", {"{h}": "Marun", "{v}": "Olem"}, kinds
    ).split()
    # Olem, Marun of, woods in, sings.
    assert other[:2] == ["Olem", "Marun"]
    assert len(other) == 6
    assert said[-1].endswith("mo")


def test_the_verb_agrees_with_its_subject_and_shows_voice_and_tense(language):
    places = {"{h}": "Marun", "{v}": "Olem"}
    person = language.clause("{v} conquered {h}", places, {"{v}": "person"})
    thing = language.clause("{v} conquered {h}", places, {"{v}": "thing"})
    assert re.fullmatch(r"Olem Marun a\w+ne", person)
    assert re.fullmatch(r"Olem Marun ki\w+ne", thing)
    passive = language.clause("{v} was elected in {h}", places, {"{v}": "person"})
    assert passive.endswith("jane")


def test_adjective_and_possessive_agree_with_their_noun(language):
    said = language.clause("nuns avoid the old tower in rain", {}, {}).split()
    tower, old = said[-3:-1]
    prefixes = {"a": "a", "mu": "u", "ki": "ki", "lo": "lo"}
    (prefix,) = (p for p in prefixes if tower.startswith(p))
    assert old.startswith(prefixes[prefix])
    assert said[0].startswith("wö")
    assert said[-1].startswith("wö")


def test_every_relation_can_be_said_and_asked(language):
    for relations in sample_lexicon.RELATIONS.values():
        for relation in relations:
            for statement in relation.statements:
                places = {"{h}": "Marun", "{v}": language.asked(relation.value, None)}
                said = language.clause(statement.clause, places, {})
                assert "{" not in said
                assert "Marun" in said
