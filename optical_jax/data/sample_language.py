"""The names of the built-in sample world and its invented language.

The language puts the verb last and its postpositions after the noun, its nouns carry the prefix
of one of four classes, with which adjectives, possessives and verbs agree, and it writes names as
they sound. Stems are drawn from a seed, so the language exists nowhere else.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from optical_jax.data import sample_lexicon as lexicon

T = TypeVar("T")

# Few enough that the syllables of a name that is new are known.
_ONSETS = (*"bcdfglmnprstvz", "th", "sh", "br", "tr")
_CODAS = ("", "", "", "n", "r", "l", "s", "m")
# How the invented language spells the names of the world; no two of them alike.
_SPELLING = (("th", "ð"), ("sh", "ŝ"), ("c", "k"))

# Per class: the prefix of its nouns and of what agrees with them. The last is the plural.
_NOUN_PREFIXES = ("a", "mu", "ki", "lo", "wö")
_AGREEMENT = ("a", "u", "ki", "lo", "wö")
_PLURAL = len(_NOUN_PREFIXES) - 1
_VERB_LINKS = ("", "", "", "", "z")
# The classes of names by what they name; everything but people and places is a thing.
_NAME_CLASSES = {"person": 0, "town": 3, "place": 3}
_INTERROGATIVES = {"person": "nöpi", "place": "lupi", "town": "lupi", "year": "sapi"}


class Draw:
    """Draw from a seeded generator by `random()` alone.

    Python promises to repeat that method's numbers in every version, and no other's.
    """

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        """Say yes with the given probability."""
        return self._random() < probability

    def either(self) -> int:
        """Draw 0, or less often 1."""
        return 0 if self.chance(0.75) else 1

    def integer(self, low: int, high: int) -> int:
        """Draw from low to high - 1."""
        return low + int(self._random() * (high - low))

    def pick(self, options: Sequence[T]) -> T:
        """Draw one of the options."""
        return options[self.integer(0, len(options))]

    def shuffled(self, items: Iterable[T]) -> list[T]:
        """Return the items in a drawn order."""
        items = list(items)
        keys = [self._random() for _ in items]
        return [items[i] for i in sorted(range(len(items)), key=keys.__getitem__)]


@dataclass(frozen=True)
class Name:
    """Hold a name (or a number, or a common noun) that fills a place of a clause."""

    text: str
    kind: str


class Names:
    """Draw names that have not been drawn before."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._seen: set[str] = set()
        self._given = [self._word(2) for _ in range(60)]

    def draw(self, kind: str) -> Name:
        """Return a value of this kind: a name, a year or a common noun."""
        if kind == "year":
            return Name(str(self._draw.integer(1400, 1990)), kind)
        if kind in lexicon.VALUES:
            return Name(self._draw.pick(lexicon.VALUES[kind]), kind)
        word = self._word(self._draw.pick((2, 2, 3)))
        given = f"{self._draw.pick(self._given)} " if kind == "person" else ""
        return Name(given + word, kind)

    def _word(self, syllables: int) -> str:
        """Put syllables together until the word is new."""
        while True:
            word = "".join(
                self._draw.pick(_ONSETS) + self._draw.pick("aeiou")
                for _ in range(syllables)
            )
            word = (word + self._draw.pick(_CODAS)).capitalize()
            if word not in self._seen:
                self._seen.add(word)
                return word


class Invented:
    """Say in the invented language what an English clause says."""

    def __init__(self, seed: int) -> None:
        self._draw = Draw(f"language {seed}")
        self._taken: set[str] = set()
        words = _english_words()
        self._stems = {word: (self._stem(),) for word in words}
        self._classes = {word: self._draw.integer(0, _PLURAL) for word in words}
        self._classes |= dict.fromkeys(lexicon.AGENTS, _PLURAL)
        # Synonyms never match one to one: some words have two, some share one.
        for word in words:
            if self._draw.chance(0.2):
                self._stems[word] += (self._stem(),)
        for relations in lexicon.RELATIONS.values():
            for first, second in (relation.nouns for relation in relations):
                if self._draw.chance(0.4):
                    self._stems[second] = self._stems[first]

    def _stem(self) -> str:
        """Draw a new stem of two or three syllables."""
        while True:
            stem = "".join(
                self._draw.pick("ptkmnlrbzŋgv") + self._draw.pick("aeiouö") + coda
                for coda in [self._draw.pick(("", "", "n", "l", "k")) for _ in range(2)]
            )
            if stem not in self._taken:
                self._taken.add(stem)
                return stem

    def phrase(self, english: str) -> str:
        """Say a set phrase, which has one word here."""
        return self._stems[english][0] if english else ""

    def name(self, name: Name) -> str:
        """Spell a name, or give the noun for a common one."""
        if name.kind in lexicon.VALUES:
            return self.noun(name.text)
        text = name.text
        for here, there in _SPELLING:
            text = text.replace(here, there).replace(
                here.capitalize(), there.capitalize()
            )
        return text

    def noun(self, word: str) -> str:
        """Put the prefix of its class before a noun."""
        return _NOUN_PREFIXES[self._classes[word]] + self._draw.pick(self._stems[word])

    def epithet(self, english: str) -> str:
        """Say what is put after a name; "" for none."""
        return self.noun(english.removeprefix("the ")) if english else ""

    def asked(self, kind: str, noun: str | None) -> str:
        """Ask for a value: "which noun", or who, what, when, where."""
        if noun is None:
            return _INTERROGATIVES.get(kind, "kepi")
        return f"{self.noun(noun)} {_AGREEMENT[self._classes[noun]]}pi"

    def possession(self, owner: str, noun: str) -> str:
        """Say "the noun of owner"."""
        return f"{owner} {_AGREEMENT[self._classes[noun]]}na {self.noun(noun)}"

    def attribute(self, owner: str, noun: str, value: str, verb: str = "is") -> str:
        """Say "the noun of owner is value"."""
        owned = self.possession(owner, noun)
        parts = (owned, value) if self._draw.chance(0.6) else (value, owned)
        return " ".join((*parts, self._verb(verb, self._classes[noun], False)))

    def clause(
        self, english: str, places: dict[str, str], kinds: dict[str, str]
    ) -> str:
        """Translate an English clause: subject, complements from last to first, verb.

        Args:
            english: the clause, with {h} and {v} where the names go.
            places: what to put in their place.
            kinds: what they are, which gives the class with which the verb agrees.
        """
        words = [word for word in english.split() if word not in lexicon.ARTICLES]
        passive = words[1] in lexicon.AUXILIARIES
        verb, rest = words[1 + passive], words[2 + passive :]
        groups: list[list[str]] = []
        for word in rest:
            follows = groups and groups[-1][-1] in (
                *lexicon.PREPOSITIONS,
                *lexicon.QUALITIES,
            )
            groups = (
                [*groups[:-1], [*groups[-1], word]] if follows else [*groups, [word]]
            )
        said = [self._group(group, places) for group in reversed(groups)]
        subject = places.get(words[0]) or self.noun(words[0])
        kind = _NAME_CLASSES.get(kinds.get(words[0], "thing"), 2)
        cls = self._classes.get(words[0], kind)
        return " ".join((subject, *said, self._verb(verb, cls, passive)))

    def _group(self, group: list[str], places: dict[str, str]) -> str:
        """Say one complement: [preposition] [adjective] noun."""
        preposition = group[0] if group[0] in lexicon.PREPOSITIONS else None
        head = group[-1]
        said = places.get(head) or self.noun(head)
        if preposition is None and head not in places:
            said += "ta"
        for word in group[:-1]:
            if word in lexicon.QUALITIES:
                said += f" {_AGREEMENT[self._classes[head]]}{self._stems[word][0]}"
        return said if preposition is None else f"{said} {self._stems[preposition][0]}"

    def _verb(self, word: str, cls: int, passive: bool) -> str:
        """Put agreement before the stem of a verb, voice and tense after it."""
        past = word.endswith("ed") or word in lexicon.IRREGULAR
        stem = self._draw.pick(self._stems[word])
        voice = "ja" if passive else ""
        return (
            f"{_AGREEMENT[cls]}{_VERB_LINKS[cls]}{stem}{voice}{'ne' if past else 'mo'}"
        )


def _english_words() -> list[str]:
    """List every English word and set phrase that needs a stem, in a fixed order."""
    words = {"road", "leads", "is", "happened", "called", "and"}
    words |= {*lexicon.OPENERS, *lexicon.REQUESTS} - {""}
    for pool in (*lexicon.VALUES.values(), lexicon.AGENTS, lexicon.ACTIONS):
        words |= set(pool)
    for pool in (lexicon.OBJECTS, lexicon.QUALITIES, lexicon.TIMES):
        words |= set(pool)
    for pool in lexicon.EPITHETS.values():
        words |= {epithet.removeprefix("the ") for epithet in pool} - {""}
    for relation in (r for relations in lexicon.RELATIONS.values() for r in relations):
        words |= set(relation.nouns)
        for statement in relation.statements:
            words |= set(statement.clause.split())
    dropped = lexicon.ARTICLES | (lexicon.AUXILIARIES - {"is"}) | {"{h}", "{v}"}
    return sorted(words - dropped)
