"""Say facts of the built-in sample world in English and in its language at once."""

from dataclasses import dataclass
from typing import NamedTuple

from optical_jax.data import sample_language
from optical_jax.data import sample_lexicon as lexicon


class Sentence(NamedTuple):
    """Hold one sentence in both languages."""

    english: str
    invented: str


@dataclass(frozen=True)
class Fact:
    """Hold what is said: the relation of a hub (a town or a person) to a value."""

    hub: sample_language.Name
    relation: lexicon.Relation
    value: sample_language.Name


class Speaker:
    """Word facts and fillers, each time in another way."""

    def __init__(
        self, draw: sample_language.Draw, language: sample_language.Invented
    ) -> None:
        self._draw = draw
        self._language = language

    def statement(self, fact: Fact, *, as_attribute: bool) -> Sentence:
        """State a fact, by one of its verbs or as "the noun of hub is value"."""
        english, invented = self._hub(fact)
        if as_attribute:
            said = self._attribute(fact, english, invented)
        else:
            said = self._clause(fact, english, invented)
        opener = self._draw.pick(lexicon.OPENERS)
        return Sentence(
            _sentence(opener, said.english, "."),
            _sentence(self._language.phrase(opener), said.invented, "."),
        )

    def question(self, fact: Fact, *, plain: bool = False) -> Sentence:
        """Ask for the value of a fact.

        Args:
            fact: what to ask for.
            plain: whether to keep to the first noun and the first verb of the relation.
        """
        english, invented = self._hub(fact)
        noun = fact.relation.nouns[0 if plain else self._draw.either()]
        if self._draw.chance(0.5):
            asked = self._ask_attribute(fact, noun, english, invented)
        else:
            statement = fact.relation.statements[0 if plain else self._draw.either()]
            asked = self._ask_clause(fact, noun, statement, english, invented)
        request = self._draw.pick(lexicon.REQUESTS)
        return Sentence(
            _sentence(request, asked.english, "?"),
            _sentence(self._language.phrase(request), asked.invented, " ka?"),
        )

    def filler(self) -> Sentence:
        """Say something that is true of many places."""
        quality, thing = (
            self._draw.pick(lexicon.QUALITIES),
            self._draw.pick(lexicon.OBJECTS),
        )
        agents, action = (
            self._draw.pick(lexicon.AGENTS),
            self._draw.pick(lexicon.ACTIONS),
        )
        english = f"{agents} {action} the {quality} {thing}"
        if self._draw.chance(0.4):
            english += f" in {self._draw.pick(lexicon.TIMES)}"
        invented = self._language.clause(english, {}, {})
        return Sentence(_sentence("", english, "."), _sentence("", invented, "."))

    def mention(self, other: sample_language.Name) -> Sentence:
        """Name another town or person without saying anything of it."""
        thing = self._draw.pick(lexicon.OBJECTS)
        if other.kind == "person":
            agents = self._draw.pick(lexicon.AGENTS)
            clause = f"{agents} {self._draw.pick(lexicon.ACTIONS)} " + "{v}"
        else:
            clause = f"the road leads from the {thing} to " + "{v}"
        invented = self._language.clause(
            clause, {"{v}": self._language.name(other)}, {"{v}": other.kind}
        )
        return Sentence(
            _sentence("", clause.replace("{v}", other.text), "."),
            _sentence("", invented, "."),
        )

    def _hub(self, fact: Fact) -> Sentence:
        """Name the hub, perhaps with what it is."""
        epithet = self._draw.pick(lexicon.EPITHETS[fact.hub.kind])
        name = self._language.name(fact.hub)
        return Sentence(
            f"{epithet} {fact.hub.text}".strip(),
            f"{name} {self._language.epithet(epithet)}".strip(),
        )

    def _clause(self, fact: Fact, english: str, invented: str) -> Sentence:
        """State a fact by one of its two verbs."""
        clause = fact.relation.statements[self._draw.either()].clause
        value, said = fact.value.text, self._language.name(fact.value)
        if clause.startswith("{v}") and self._named(fact) and self._draw.chance(0.4):
            noun = fact.relation.nouns[self._draw.either()]
            value, said = f"the {noun} {value}", f"{said} {self._language.noun(noun)}"
        kinds = {"{h}": fact.hub.kind, "{v}": fact.value.kind}
        return Sentence(
            clause.replace("{h}", english).replace("{v}", value),
            self._language.clause(clause, {"{h}": invented, "{v}": said}, kinds),
        )

    def _attribute(self, fact: Fact, english: str, invented: str) -> Sentence:
        """State a fact as "the noun of hub is value"."""
        noun, value = fact.relation.nouns[self._draw.either()], fact.value.text
        said = self._language.name(fact.value)
        if fact.value.kind == "year":
            return Sentence(
                f"the {noun} of {english} happened in {value}",
                self._language.attribute(invented, noun, said, "happened"),
            )
        order = self._draw.chance(0.6)
        owned = f"the {noun} of {english}"
        return Sentence(
            f"{owned} is {value}" if order else f"{value} is {owned}",
            self._language.attribute(invented, noun, said),
        )

    def _ask_attribute(
        self, fact: Fact, noun: str, english: str, invented: str
    ) -> Sentence:
        """Ask "what is the noun of hub"."""
        asked = self._language.asked(fact.value.kind, None)
        if fact.value.kind == "year":
            return Sentence(
                f"when did the {noun} of {english} happen",
                self._language.attribute(invented, noun, asked, "happened"),
            )
        word, called = "who" if fact.value.kind == "person" else "what", False
        if word == "what" and self._named(fact):
            called = self._draw.chance(0.4)
        return Sentence(
            f"{word} is the {noun} of {english}" + (" called" if called else ""),
            self._language.attribute(
                invented, noun, asked, "called" if called else "is"
            ),
        )

    def _ask_clause(
        self,
        fact: Fact,
        noun: str,
        statement: lexicon.Statement,
        english: str,
        invented: str,
    ) -> Sentence:
        """Ask by a verb: "which noun flows through hub"."""
        which = not statement.question and self._draw.chance(0.5)
        asked = self._language.asked(fact.value.kind, noun if which else None)
        question = statement.question
        if not question:
            word = "who" if fact.value.kind == "person" else "what"
            subject = f"which {noun}" if which else word
            question = statement.clause.replace("{v}", subject)
        kinds = {"{h}": fact.hub.kind, "{v}": fact.value.kind}
        places = {"{h}": invented, "{v}": asked}
        return Sentence(
            question.replace("{h}", english),
            self._language.clause(statement.clause, places, kinds),
        )

    def _named(self, fact: Fact) -> bool:
        """Say whether the value is a name, not a number or a common noun."""
        return fact.value.kind not in lexicon.VALUES and fact.value.kind != "year"


def _sentence(opener: str, words: str, mark: str) -> str:
    """Put the opening words before the others, a capital first and a mark last."""
    text = f"{opener} {words}".strip()
    return text[0].upper() + text[1:] + mark
