"""A made-up bitext whose words translate one to one but for order, articles, questions."""

import random

from optical_jax.data.sources import Pair

NOUNS = {f"noun{i}": f"jina{i}" for i in range(60)}
VERBS = {f"verb{i}": f"tendo{i}" for i in range(40)}
NAMES = tuple(f"Name{i}" for i in range(30))
WORDS = NOUNS | VERBS


def pairs(count: int, *, seed: int = 0) -> list[Pair]:
    """Statements "The noun verb Name", questions "Who did verb a noun?" and "Where".

    "who" asks at the head of a question (nani) and relates elsewhere (ambaye); "the", "a"
    and "did" have no translation; adjectives follow their nouns ("prime house": jumba kuu).
    """
    rng = random.Random(seed)
    return [_pair(rng, number) for number in range(count)]


def _pair(rng: random.Random, number: int) -> Pair:
    noun, other = rng.sample(list(NOUNS), 2)
    verb, second = rng.sample(list(VERBS), 2)
    name, article = rng.choice(NAMES), rng.choice(("the", "a"))
    jina, lingine = NOUNS[noun], NOUNS[other]
    tendo, la_pili = VERBS[verb], VERBS[second]
    if number % 4 == 0:
        asked, asks = rng.choice((("Who", "Nani"), ("Where", "Wapi")))
        did = rng.choice(("did ", ""))
        return Pair(
            f"{asked} {did}{verb} {article} {noun} near {name}?",
            f"{asks} {tendo} {jina} karibu {name}?",
        )
    if number % 4 == 1:
        return Pair(
            f"The {noun} {verb} {article} {other} who {second} {name}.",
            f"{jina.capitalize()} {tendo} {lingine} ambaye {la_pili} {name}.",
        )
    if number % 8 == 2:
        return Pair(
            f"Near {article} prime house {name} {verb} {article} {noun}",
            f"Karibu jumba kuu {name} {tendo} {jina}",
        )
    if number % 8 == 6:
        first, kwanza = rng.choice((("house", "jumba"), (noun, jina)))
        return Pair(
            f"{name} {verb} {article} {first} near a prime {other}",
            f"{name} {tendo} {kwanza} karibu {lingine} kuu",
        )
    return Pair(
        f"The {noun} {verb} near {article} {other}",
        f"{jina.capitalize()} {tendo} karibu {lingine}",
    )
