"""How questions of a bitext begin, and what that is in the other language.

"Who is" may be "ni nani", after what is asked. Learnt from the pairs whose source ends in a
question mark, so that a query that is no question can be made one.
"""

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from optical_jax.data import lexicon, word_spans
from optical_jax.data.phrases import Linked
from optical_jax.data.sources import Pair

# Words of a head, and how often it must be seen with its translation: that often, and as
# this share of all heads that begin with the same word ("what message are" is none).
_LONGEST = 3
_MIN_COUNT = 2
_MIN_SHARE = 0.1
# How much more often its words are in questions than in other sentences, on both sides.
_ASKING = 3


class Head(NamedTuple):
    """How a question begins, and its translation: before or after what is asked."""

    source: str
    target: str
    before: bool


def learn(linked: Sequence[Linked]) -> dict[Head, int]:
    """Return how the questions of a bitext begin, and how often.

    A head is followed by a word of its clause, so that "Editor: ..." is none; it is said
    in questions rather than elsewhere, on both sides; it is no name.
    """
    asks = [lexicon.is_question(pair.pair.source) for pair in linked]
    found: collections.Counter[Head] = collections.Counter()
    for pair, asked in zip(linked, asks, strict=True):
        if asked:
            found.update(_heads(pair))
    alike: collections.Counter[str] = collections.Counter()
    for head, count in found.items():
        alike[head.source.split()[0]] += count
    # As odds, which do not depend on how many of the pairs are questions.
    odds = _ASKING * sum(asks) / max(len(asks) - sum(asks), 1)
    least = odds / (1 + odds)
    first = _shares(
        (span.word, asked)
        for pair, asked in zip(linked, asks, strict=True)
        for span in pair.source[:1]
    )
    there = _shares(
        (span.word, asked)
        for pair, asked in zip(linked, asks, strict=True)
        for span in pair.target
    )
    names = _shares(
        (span.word, name)
        for pair in linked
        for span, name in zip(
            pair.source[1:],
            lexicon.names(pair.pair.source, pair.source)[1:],
            strict=True,
        )
    )
    return {
        head: count
        for head, count in sorted(found.items())
        if count >= max(_MIN_COUNT, _MIN_SHARE * alike[head.source.split()[0]])
        and first[head.source.split()[0]] > least
        and max(there[word] for word in head.target.split()) > least
        and not any(names.get(word, 0) > 0.5 for word in head.source.split())
    }


def ask(query: Pair, heads: dict[Head, int], rng: np.random.Generator) -> Pair:
    """Make a question of a query that is none; frequent heads are drawn more often.

    Raises:
        ValueError: There is no head.
    """
    if not heads:
        raise ValueError("a question needs a head, got none")
    # Print asks far more often for yes or no than people ask a search engine.
    weights = np.sqrt(np.array(list(heads.values())))
    head = list(heads)[rng.choice(len(weights), p=weights / weights.sum())]
    parts = [head.target, query.target]
    target = " ".join(parts if head.before else parts[::-1])
    return Pair(f"{head.source} {query.source}?", f"{target}?")


def _heads(linked: Linked) -> Iterator[Head]:
    for phrase in linked.phrases(longest=_LONGEST, longest_target=_LONGEST + 1):
        begin, end, target_begin, target_end = phrase
        first, last = target_begin == 0, target_end == len(linked.target)
        if begin or first == last or end == len(linked.source):
            continue
        if word_spans.together(linked.pair.source, linked.source[: end + 1]):
            words = (span.word for span in linked.source[:end])
            target = (span.word for span in linked.target[target_begin:target_end])
            yield Head(" ".join(words), " ".join(target), first)


def _shares(seen: Iterable[tuple[str, bool]]) -> dict[str, float]:
    """Return for each word the share of its occurrences that something holds of."""
    total: collections.Counter[str] = collections.Counter()
    held: collections.Counter[str] = collections.Counter()
    for word, holds in seen:
        total[word] += 1
        held[word] += holds
    return {word: held[word] / count for word, count in total.items()}
