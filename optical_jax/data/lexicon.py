"""A dictionary learnt from bitext: phrases, how they are translated, and where.

The counts are of consistent phrase pairs (`phrases`). A translation weighs
p(translation | phrase) sqrt(p(phrase | translation)): what stands beside many words is a
translation of none of them. Frequent words that are mostly left unlinked (articles, the
English "did" of questions) may be left out.
"""

import collections
import math
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from optical_jax.data.lexicon_file import Row
from optical_jax.data.phrases import Linked, Phrase
from optical_jax.data.word_spans import Span

# A phrase pair seen once is chance, unless it is all of its sentences; phrases of several
# words need more to be worth an entry.
_MIN_COUNT = 2
_MIN_PHRASE_COUNT = 3
# The share of a phrase's occurrences that are translated as a whole.
_MIN_WHOLE = 0.25
# Words that a translation may have more than its phrase.
_LONGER = 2
# Questions that must hold a phrase before they decide what it means in them.
_MIN_QUESTIONS = 5
# A word may be left out in translation when it is this frequent, as share of the
# sentences and as count, and this seldom linked.
_MIN_LEFT_OUT = (0.005, 50)
_MAX_LINKED = 0.2
# What being unlinked says for leaving a word out: mostly, a link was overlooked.
_UNLINKED_WEIGHT = 0.25
# Words of a clause in which a question's word is looked for: "what", "in which year".
_HEAD = 3


def is_question(text: str) -> bool:
    """Tell whether a text ends in a question mark, of any script."""
    for character in reversed(text):
        kind = unicodedata.category(character)
        if kind[0] != "Z" and kind not in ("Pe", "Pf") and character not in "\"'":
            return unicodedata.name(character, "").endswith("QUESTION MARK")
    return False


def asking(text: str, spans: Sequence[Span]) -> list[bool]:
    """Tell of each word whether it is one of the first of a clause of a question."""
    if not is_question(text):
        return [False] * len(spans)
    found, place, end = [], 0, 0
    for span in spans:
        place = 0 if text[end : span.begin].strip() else place
        found.append(place < _HEAD)
        place, end = place + 1, span.end
    return found


def names(text: str, spans: Sequence[Span]) -> list[bool]:
    """Tell of each word whether it is capitalised for its own sake.

    The first word of a sentence is not, nor are those of a text that capitalises most of
    its words, as headlines do.
    """
    upper = [text[span.begin].isupper() for span in spans]
    if 2 * sum(upper) > len(upper) > 2:
        return [False] * len(spans)
    ends = [0, *(span.end for span in spans)]
    return [
        i > 0 and capital and not text[ends[i] : span.begin].strip()
        for i, (span, capital) in enumerate(zip(spans, upper, strict=True))
    ]


@dataclass(frozen=True)
class _Events:
    """The phrase pairs of a bitext, one an element; equal phrases have equal hashes."""

    # Which sentence pair, and where in it: sentence, then `Phrase`.
    places: Int[np.ndarray, "e 5"]
    source: Int[np.ndarray, " e"]
    target: Int[np.ndarray, " e"]
    # Whether the phrase is the whole pair, as in a list of words; begins a question; is a
    # name.
    whole: Bool[np.ndarray, " e"]
    question: Bool[np.ndarray, " e"]
    name: Bool[np.ndarray, " e"]

    def only(self, chosen: Bool[np.ndarray, " e"]) -> "_Events":
        return _Events(*(getattr(self, f)[chosen] for f in self.__dataclass_fields__))


@dataclass
class _Entry:
    """A phrase: how often it has a translation, and which, by their spelling."""

    total: int
    translations: dict[str, "_Count"]

    def weights(self, unlinked: float) -> dict[str, float]:
        """Return the weight of each translation; unlinked, how often there is none."""
        linked = {t: (1 - unlinked) * c.weight for t, c in self.translations.items()}
        return linked | ({"": _UNLINKED_WEIGHT * unlinked} if unlinked else {})


class _Count(NamedTuple):
    count: int
    weight: float
    # Whether it was seen as a whole pair.
    whole: bool


def learn(
    linked: Sequence[Linked], *, max_words: int, min_probability: float
) -> Iterator[Row]:
    """Yield the entries of a dictionary from the source's language to the target's.

    Args:
        linked: The pairs of a bitext with their links.
        max_words: Most words of an entry.
        min_probability: Less probable translations are left out.
    """
    found = _events(linked, max_words)
    _, place, count = np.unique(found.source, return_inverse=True, return_counts=True)
    # "March" is no walk: capitalised words count for others only where most are so.
    rarely = 2 * np.bincount(place, found.name, minlength=len(count)) < count
    tables = {
        "any": found.only(~(found.name & rarely[place])),
        "question": found.only(found.question & ~found.name),
        "name": found.only(found.name),
    }
    unlinked: dict[str, float] = {}
    for context, events in tables.items():
        entries = _kept(linked, _entries(linked, events), context)
        # What may be left out anywhere, may be in questions; names are not left out.
        unlinked = unlinked | _unlinked(linked, context) if context != "name" else {}
        for words in sorted(entries.keys() | unlinked.keys()):
            weights = entries.get(words, _Entry(0, {})).weights(
                unlinked.get(words, 0.0)
            )
            for text, probability in _probabilities(weights, min_probability):
                yield Row(words, text, probability, context)


def _events(linked: Sequence[Linked], max_words: int) -> _Events:
    places, source, target = array("i"), array("q"), array("q")
    whole, question, name = array("b"), array("b"), array("b")
    for number, pair in enumerate(linked):
        words, translated = [
            [s.word for s in side] for side in (pair.source, pair.target)
        ]
        asked = asking(pair.pair.source, pair.source)
        capital = names(pair.pair.source, pair.source)
        for p in pair.phrases(longest=max_words, longest_target=max_words + _LONGER):
            if p.target_end - p.target_begin > p.end - p.begin + _LONGER:
                continue
            places.extend((number, *p))
            source.append(hash(" ".join(words[p.begin : p.end])))
            target.append(hash(" ".join(translated[p.target_begin : p.target_end])))
            whole.append(p == (0, len(words), 0, len(translated)))
            question.append(asked[p.begin])
            name.append(capital[p.begin] and capital[p.end - 1])
    return _Events(
        np.array(places).reshape(-1, 5),
        np.array(source, np.int64),
        np.array(target, np.int64),
        np.array(whole, bool),
        np.array(question, bool),
        np.array(name, bool),
    )


def _frequencies(values: Int[np.ndarray, " e"]) -> Int[np.ndarray, " e"]:
    """Return how often each element's value occurs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return count[place]


def _entries(linked: Sequence[Linked], events: _Events) -> dict[str, _Entry]:
    together = _frequencies(events.source * 1_000_003 ^ events.target)
    often = (together >= _MIN_COUNT) | events.whole
    sums = zip(
        events.places[often].tolist(),
        events.whole[often].tolist(),
        _frequencies(events.source)[often].tolist(),
        _frequencies(events.target)[often].tolist(),
        together[often].tolist(),
        strict=True,
    )
    entries: dict[str, _Entry] = {}
    spellings: dict[tuple[str, str], collections.Counter[str]] = {}
    found: dict[tuple[str, str], tuple[int, int, int]] = {}
    wholes: set[tuple[str, str]] = set()
    for (number, *place), whole, *counts in sums:
        pair, phrase = linked[number], Phrase(*place)
        words = " ".join(s.word for s in pair.source[phrase.begin : phrase.end])
        target = pair.target[phrase.target_begin : phrase.target_end]
        key = (words, " ".join(s.word for s in target))
        found[key] = tuple(counts)
        if whole:
            wholes.add(key)
        # Where it does not begin a sentence, a word is spelt as it always is.
        spelling = pair.target_text(phrase.target_begin, phrase.target_end)
        counts_of = spellings.setdefault(key, collections.Counter())
        counts_of[spelling] += len(linked) if phrase.target_begin else 1
    for (words, target), (total, reverse, count) in found.items():
        # Of equally frequent spellings, the one in lower case, which sorts last.
        spelling = max(spellings[words, target].items(), key=lambda e: (e[1], e[0]))[0]
        weight = count / total * math.sqrt(count / reverse)
        entry = entries.setdefault(words, _Entry(total, {}))
        is_whole = (words, target) in wholes
        entry.translations[spelling] = _Count(count, weight, is_whole)
    return entries


def _kept(
    linked: Sequence[Linked], entries: dict[str, _Entry], context: str
) -> dict[str, _Entry]:
    """Leave out phrases that are seen too seldom, or translated as a whole too seldom."""
    if context == "question":
        return {w: e for w, e in entries.items() if e.total >= _MIN_QUESTIONS}
    several = {
        words
        for words, entry in entries.items()
        if " " in words
        and any(
            c.whole or c.count >= _MIN_PHRASE_COUNT for c in entry.translations.values()
        )
    }
    seen = _occurrences(linked, several)
    return {
        words: entry
        for words, entry in entries.items()
        if " " not in words
        or (words in several and entry.total >= _MIN_WHOLE * seen[words])
    }


def _occurrences(
    linked: Sequence[Linked], wanted: set[str]
) -> collections.Counter[str]:
    lengths = {words.count(" ") + 1 for words in wanted}
    counts: collections.Counter[str] = collections.Counter()
    for pair in linked:
        words = [span.word for span in pair.source]
        for n in lengths:
            every = (" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
            counts.update(phrase for phrase in every if phrase in wanted)
    return counts


def _probabilities(
    weights: dict[str, float], least: float
) -> Iterator[tuple[str, float]]:
    total = sum(weights.values())
    kept = {text: w for text, w in weights.items() if w >= least * total}
    for text, weight in kept.items():
        yield text, weight / sum(kept.values())


def _unlinked(linked: Sequence[Linked], context: str) -> dict[str, float]:
    """Return frequent words that are mostly unlinked in a context, and how often."""
    seen: collections.Counter[str] = collections.Counter()
    held: collections.Counter[str] = collections.Counter()
    sentences = 0
    for pair in linked:
        places = range(len(pair.source))
        if context == "question":
            asked = asking(pair.pair.source, pair.source)
            places = [i for i in places if asked[i]]
        sentences += bool(places)
        links = set(pair.links[:, 0].tolist())
        seen.update(pair.source[i].word for i in places)
        held.update(pair.source[i].word for i in places if i in links)
    share, least = _MIN_LEFT_OUT
    return {
        word: 1 - held[word] / count
        for word, count in seen.items()
        if count >= max(share * sentences, least) and held[word] <= _MAX_LINKED * count
    }
