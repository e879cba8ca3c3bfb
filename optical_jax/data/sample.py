"""Make up a world to try everything on: parallel sentences, passages, questions, judgments.

Towns and persons with invented names have facts. English passages state them; questions in
English and in an invented language ask for them. The passages of one town share its name, so that
a question is answered by who understands what it asks, not by who finds the name. No town or
person of the questions occurs in the parallel sentences or in the teacher's training triples.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from optical_jax.data import sample_language, sample_sentences
from optical_jax.data import sample_lexicon as lexicon

# Few facts of each of many towns and persons: names are what must generalise.
_FACTS_TO_LEARN = 8


class Triple(NamedTuple):
    """Hold a training example of the teacher: a question, what answers it, what does not."""

    query: str
    positive: str
    negatives: tuple[str, ...]


class Question(NamedTuple):
    """Hold a question in both languages and the passages that answer it."""

    query_id: str
    english: str
    invented: str
    doc_ids: tuple[str, ...]


class Passage(NamedTuple):
    """Hold an English passage."""

    doc_id: str
    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class World:
    """Hold everything that was made up."""

    bitext: tuple[sample_sentences.Sentence, ...]
    triples: tuple[Triple, ...]
    passages: tuple[Passage, ...]
    # "dev" and "test".
    questions: dict[str, tuple[Question, ...]]

    def texts_en(self) -> list[str]:
        """List the English texts of training, to train a vocabulary on."""
        texts = [sentence.english for sentence in self.bitext]
        for triple in self.triples:
            texts += [triple.query, triple.positive]
        return texts


def generate(
    *,
    seed: int = 0,
    pairs: int = 5000,
    triples: int = 6000,
    towns: int = 32,
    persons: int = 14,
    questions: int = 300,
    dev_questions: int = 100,
) -> World:
    """Make up a world; the same arguments give the same one everywhere.

    Args:
        seed: what everything is drawn from.
        pairs: how many parallel sentences.
        triples: how many training examples for the teacher.
        towns: how many towns the passages are about, with 34 passages each.
        persons: how many persons the passages are about, with 24 passages each.
        questions: how many questions to test on; each town and person has its share.
        dev_questions: how many questions to develop on, about other towns and persons.

    Raises:
        ValueError: where there are fewer facts than questions to ask for them.
    """
    draw = sample_language.Draw(f"world {seed}")
    names = sample_language.Names(draw)
    speaker = sample_sentences.Speaker(draw, sample_language.Invented(seed))
    hubs = _hubs(names, towns, persons)
    facts = [_facts(hub, names) for hub in hubs]
    passages, asked = [], {"dev": [], "test": []}
    for number, facts_of_hub in enumerate(facts):
        about = _passages(facts_of_hub, number, hubs, draw, speaker)
        passages += about
        # Every fourth town and every fourth person is for development.
        asked["dev" if number % 4 == 3 else "test"] += zip(
            facts_of_hub, (passage.doc_id for passage in about), strict=True
        )
    counts = {"dev": dev_questions, "test": questions}
    for name, count in counts.items():
        if not 0 < count <= len(asked[name]):
            raise ValueError(
                f"{name} questions must be between 1 and the {len(asked[name])} facts of "
                f"{towns} towns and {persons} persons, got {count}; ask for more towns"
            )
    return World(
        bitext=tuple(_bitext(pairs, names, draw, speaker)),
        triples=tuple(_triples(triples, names, draw, speaker)),
        passages=tuple(draw.shuffled(passages)),
        questions={
            name: tuple(_questions(name, draw.shuffled(asked[name])[:count], speaker))
            for name, count in counts.items()
        },
    )


def _hubs(
    names: sample_language.Names, towns: int, persons: int
) -> list[sample_language.Name]:
    """Draw what the facts are about."""
    return [names.draw("town") for _ in range(towns)] + [
        names.draw("person") for _ in range(persons)
    ]


def _facts(
    hub: sample_language.Name, names: sample_language.Names
) -> list[sample_sentences.Fact]:
    """Draw one fact of every relation."""
    return [
        sample_sentences.Fact(hub, relation, names.draw(relation.value))
        for relation in lexicon.RELATIONS[hub.kind]
    ]


def _text(
    fact: sample_sentences.Fact,
    others: list[sample_language.Name],
    draw: sample_language.Draw,
    speaker: sample_sentences.Speaker,
) -> str:
    """State a fact among sentences that are beside the point."""
    as_attribute = draw.chance(0.4)
    sentences = [
        speaker.statement(fact, as_attribute=as_attribute),
        speaker.filler(),
    ]
    if draw.chance(0.5):
        sentences.append(speaker.statement(fact, as_attribute=not as_attribute))
    if draw.chance(0.2):
        sentences.append(speaker.mention(draw.pick(others)))
    return " ".join(sentence.english for sentence in draw.shuffled(sentences))


def _passages(
    facts: list[sample_sentences.Fact],
    number: int,
    hubs: list[sample_language.Name],
    draw: sample_language.Draw,
    speaker: sample_sentences.Speaker,
) -> list[Passage]:
    """Write one passage for each fact of a town or a person."""
    return [
        Passage(
            f"p{number:03d}-{place:02d}",
            fact.hub.text,
            _text(fact, hubs, draw, speaker),
        )
        for place, fact in enumerate(facts)
    ]


def _questions(
    name: str,
    asked: list[tuple[sample_sentences.Fact, str]],
    speaker: sample_sentences.Speaker,
) -> Iterable[Question]:
    """Ask for the value of each fact."""
    for number, (fact, doc_id) in enumerate(asked):
        english, invented = speaker.question(fact)
        yield Question(f"{name}-{number:04d}", english, invented, (doc_id,))


def _bitext(
    count: int,
    names: sample_language.Names,
    draw: sample_language.Draw,
    speaker: sample_sentences.Speaker,
) -> Iterable[sample_sentences.Sentence]:
    """Say facts, and now and then ask for them or say something else, in both languages."""
    said: list[sample_sentences.Sentence] = []
    while len(said) < count:
        kind = "person" if draw.chance(0.35) else "town"
        for fact in draw.shuffled(_facts(names.draw(kind), names))[:_FACTS_TO_LEARN]:
            chance = draw.integer(0, 20)
            if chance < 4:
                said.append(speaker.question(fact, plain=True))
            elif chance < 6:
                said.append(speaker.filler())
            elif chance < 7:
                said.append(speaker.mention(fact.hub))
            else:
                as_attribute = draw.chance(0.4)
                said.append(speaker.statement(fact, as_attribute=as_attribute))
    return draw.shuffled(said)[:count]


def _triples(
    count: int,
    names: sample_language.Names,
    draw: sample_language.Draw,
    speaker: sample_sentences.Speaker,
) -> Iterable[Triple]:
    """Ask for facts, with passages on other facts of the same subject as negatives."""
    triples: list[Triple] = []
    while len(triples) < count:
        hubs = _hubs(names, 2, 1)
        for hub in hubs:
            facts = draw.shuffled(_facts(hub, names))[:_FACTS_TO_LEARN]
            texts = [f"{hub.text} {_text(fact, hubs, draw, speaker)}" for fact in facts]
            for place, fact in enumerate(facts):
                others = draw.shuffled(texts[:place] + texts[place + 1 :])
                question = speaker.question(fact).english
                triples.append(Triple(question, texts[place], tuple(others[:2])))
    return draw.shuffled(triples)[:count]
