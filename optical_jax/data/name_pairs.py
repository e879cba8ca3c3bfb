"""Names of the bitext's source side, and the words that may be their spellings.

What word alignment links to a name is mostly its spelling or its translation. A name that
stands in one sentence is linked at random; there the words beside it are candidates, of which
a model of spellings finds the right one (`data.transliteration`).
"""

import collections
from collections.abc import Iterator, Sequence

from optical_jax.data import lexicon, transliteration, word_spans
from optical_jax.data.phrases import Linked
from optical_jax.data.sources import Pair
from optical_jax.data.transliteration import Transliterator
from optical_jax.data.word_spans import Span

# The names linked most often are enough to learn from.
LINKED = 3000
# Shorter words coincide with others by chance.
MIN_LETTERS = 4
# Words in small letters this often are no names.
COMMON = 5
# Candidates: of so many of the commonest names, so many each that stand beside it most.
NAMES = 5000
CANDIDATES = 6
# A spelling has so many times the letters of the name, at least and at most.
LENGTHS = (0.5, 2.0)
# Of a word's sentences, the share that has the name.
MIN_SHARE = 0.1

Words = tuple[str, str]


def learn(pairs: Sequence[Linked]) -> Transliterator | None:
    """Learn how the bitext's target side respells names of its source side.

    Args:
        pairs: bitext with its word links; source is the teacher's language.

    Returns:
        The model; None where the bitext teaches no spelling.
    """
    return transliteration.learn(linked(pairs), beside([found.pair for found in pairs]))


def linked(pairs: Sequence[Linked]) -> set[Words]:
    """Return frequent names of the source side, each with the word it is mostly linked to."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    for found in pairs:
        is_name = lexicon.names(found.pair.source, found.source)
        links = found.links.tolist()
        sources = collections.Counter(i for i, _ in links)
        targets = collections.Counter(j for _, j in links)
        for i, j in links:
            if is_name[i] and sources[i] == targets[j] == 1:
                counts[found.source[i].word][found.target[j].word] += 1
    alike = {
        (name, word): count
        for name, words in counts.items()
        for word, count in words.items()
        if name.isalpha()
        and len(name) >= MIN_LETTERS
        and name != word
        and "'" not in word
        and 2 * count > words.total()
    }
    return set(sorted(alike, key=lambda pair: (-alike[pair], pair))[:LINKED])


def beside(pairs: Sequence[Pair]) -> set[Words]:
    """Return names that are not copied, each with words of its sentences' translations.

    Names are capitalised, and so are their spellings in scripts that have capitals.
    """
    small = in_small_letters([pair.source for pair in pairs])
    small_target = in_small_letters([pair.target for pair in pairs])
    names: collections.Counter[str] = collections.Counter()
    words: collections.Counter[str] = collections.Counter()
    both: dict[str, collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    for pair in pairs:
        source, target = map(word_spans.spans, pair)
        sources, targets = ({span.word for span in side} for side in (source, target))
        words.update(targets)
        found = {
            span.word
            for span in source
            if pair.source[span.begin].isupper()
            and len(span.word) >= MIN_LETTERS
            and span.word.isalpha()
            and small[span.word] < COMMON
        } - targets
        names.update(found)
        others = set(_not_small(pair.target, target)) - sources
        others = {word for word in others if small_target[word] < COMMON}
        for name in found:
            both[name].update(others)
    shortest, longest = LENGTHS
    return {
        (name, word)
        for name, count in names.most_common(NAMES)
        for word in sorted(
            (
                word
                for word, times in both[name].items()
                if shortest <= len(word) / len(name) <= longest
                and times >= MIN_SHARE * words[word]
            ),
            key=lambda word: (-2 * both[name][word] / (count + words[word]), word),
        )[:CANDIDATES]
    }


def in_small_letters(texts: Sequence[str]) -> collections.Counter[str]:
    """Count the words that begin in lower case, in scripts that have cases."""
    return collections.Counter(
        span.word
        for text in texts
        for span in word_spans.spans(text)
        if text[span.begin].islower()
    )


def _not_small(text: str, spans: Sequence[Span]) -> Iterator[str]:
    for span in spans:
        if not text[span.begin].islower() and "'" not in span.word:
            yield span.word
