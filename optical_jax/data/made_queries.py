"""Short queries and questions made from bitext: both sides of each come from one pair.

Sentences of bitext are longer and stiffer than what people type into a search engine. Word
links tell which stretch of one side translates which of the other, so that a piece of a
sentence, some of its words, or a question with another piece in it is parallel text too.
Nothing here knows a language; which words carry meaning is told by how rare they are.
"""

import collections
import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from optical_jax.data import lexicon, word_spans
from optical_jax.data.phrases import Linked, Phrase
from optical_jax.data.sources import Pair

# A word in more sentences than this share carries no meaning of its own.
_COMMON = 0.03
# Words of a phrase; of a query of keywords.
_PHRASE = (2, 6)
_KEYWORDS = (2, 5)
# Words of a question that gets another phrase, and of the phrase.
_QUESTION = 14
_EXCHANGED = 4
# The words before a phrase; whether the words around its ends and its ends are names.
_Surrounding = tuple[str, str, tuple[bool, bool, bool, bool]]


@dataclass(frozen=True)
class QueryMaker:
    """Makes queries from the linked pairs of a bitext."""

    linked: Sequence[Linked]

    def phrase(self, number: int, rng: np.random.Generator) -> Pair | None:
        """Cut a phrase that begins and ends in words with meaning, rare ones rather."""
        linked = self.linked[number]
        found = [
            phrase
            for phrase in self._whole_phrases(linked, longest=_PHRASE[1])
            if phrase.end - phrase.begin >= _PHRASE[0]
        ]
        if not found:
            return None
        weights = [
            sum(self._rarity[0][span.word] for span in linked.source[p.begin : p.end])
            for p in found
        ]
        return _cut(linked, found[_draw(weights, rng)])

    def keywords(self, number: int, rng: np.random.Generator) -> Pair | None:
        """Take some words with meaning and their translations, in each side's order."""
        linked = self.linked[number]
        links = self._sure(linked)
        if len(links) < _KEYWORDS[0]:
            return None
        size = min(len(links), int(rng.integers(_KEYWORDS[0], _KEYWORDS[1] + 1)))
        weights = np.array([self._rarity[0][linked.source[i].word] for i, _ in links])
        chosen = rng.choice(len(links), size, replace=False, p=weights / weights.sum())
        sources = sorted({links[k][0] for k in chosen})
        targets = sorted({links[k][1] for k in chosen})
        return Pair(
            " ".join(linked.source_text(i, i + 1) for i in sources),
            " ".join(linked.target_text(j, j + 1) for j in targets),
        )

    def question(self, number: int, rng: np.random.Generator) -> Pair | None:
        """Exchange a phrase of a question for another of the bitext, a name for a name."""
        linked = self.linked[number]
        if (
            not lexicon.is_question(linked.pair.source)
            or len(linked.source) > _QUESTION
        ):
            return None
        gaps = [p for p in self._whole_phrases(linked, longest=_EXCHANGED) if p.begin]
        if not gaps:
            return None
        gap = gaps[rng.integers(len(gaps))]
        pieces = self._pieces[_surrounding(linked, gap)]
        other, place = pieces[rng.integers(len(pieces))]
        if other == number:
            return None
        piece = _cut(self.linked[other], place)
        (text, translated), source, target = linked.pair, linked.source, linked.target
        return Pair(
            text[: source[gap.begin].begin]
            + piece.source
            + text[source[gap.end - 1].end :],
            translated[: target[gap.target_begin].begin]
            + piece.target
            + translated[target[gap.target_end - 1].end :],
        )

    @functools.cached_property
    def _rarity(self) -> tuple[dict[str, float], dict[str, float]]:
        """Inverse document frequencies of the words of both sides."""
        return tuple(
            {word: math.log(len(self.linked) / n) + 1e-6 for word, n in counts.items()}
            for counts in (
                collections.Counter(
                    word
                    for linked in self.linked
                    for word in {span.word for span in getattr(linked, side)}
                )
                for side in ("source", "target")
            )
        )

    @functools.cached_property
    def _links(self) -> collections.Counter[tuple[str, str]]:
        return collections.Counter(
            (linked.source[i].word, linked.target[j].word)
            for linked in self.linked
            for i, j in linked.links.tolist()
        )

    @functools.cached_property
    def _pieces(self) -> dict[_Surrounding, list[tuple[int, Phrase]]]:
        """The phrases that may take another's place, by what must be the same."""
        pieces: dict[_Surrounding, list[tuple[int, Phrase]]] = {}
        for number, linked in enumerate(self.linked):
            for phrase in self._whole_phrases(linked, longest=_EXCHANGED):
                around = _surrounding(linked, phrase)
                pieces.setdefault(around, []).append((number, phrase))
        return pieces

    def _sure(self, linked: Linked) -> list[tuple[int, int]]:
        """Return the links between words with meaning that are no chance."""
        least = -math.log(_COMMON)
        found = []
        for i, j in linked.links.tolist():
            source, target = linked.source[i].word, linked.target[j].word
            rare = self._rarity[0][source] > least and self._rarity[1][target] > least
            if rare and (source == target or self._links[source, target] > 1):
                found.append((i, j))
        return found

    def _whole_phrases(self, linked: Linked, *, longest: int) -> Iterator[Phrase]:
        """Yield phrases without punctuation whose first and last words have meaning."""
        sure = self._sure(linked)
        sources, targets = {i for i, _ in sure}, {j for _, j in sure}
        for phrase in linked.phrases(longest=longest, longest_target=longest + 2):
            begin, end, target_begin, target_end = phrase
            ends = {begin, end - 1} <= sources
            if (
                ends
                and {target_begin, target_end - 1} <= targets
                and word_spans.together(linked.pair.source, linked.source[begin:end])
                and word_spans.together(
                    linked.pair.target, linked.target[target_begin:target_end]
                )
            ):
                yield phrase


def _draw(weights: Sequence[float], rng: np.random.Generator) -> int:
    p = np.array(weights, float)
    return int(rng.choice(len(p), p=p / p.sum()))


def _cut(linked: Linked, phrase: Phrase) -> Pair:
    return Pair(
        linked.source_text(phrase.begin, phrase.end),
        linked.target_text(phrase.target_begin, phrase.target_end),
    )


def _surrounding(linked: Linked, phrase: Phrase) -> _Surrounding:
    """Return the words before a phrase, and whether it and the words beside it are names."""
    begin, end, target_begin, _ = phrase
    names = [False, *lexicon.names(linked.pair.source, linked.source), False]
    return (
        linked.source[begin - 1].word if begin else "",
        linked.target[target_begin - 1].word if target_begin else "",
        (names[begin], names[begin + 1], names[end], names[end + 1]),
    )
