"""Forms of the bitext's words that the bitext lacks: "rwatangiye" beside "yatangiye".

Where new pieces are whole words (`models.word_ends`) every form that a question has needs a piece
of its own, and a small bitext has few of the forms of a verb or noun. Which beginnings and
endings take each other's place is learnt from the list of its words (signatures, Goldsmith
2001): a stem that some of them stand at takes those, too, that often stand at the stems of these.
Forms are told as whole words, so that no other word, and no name, splits otherwise.
"""

import collections
import heapq
from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse

# Letters of a stem, at least, and of what stands before or behind it, at most.
MIN_STEM = 4
MAX_AFFIX = 6
# Stems that an affix stands at, and how many affixes there are.
MIN_STEMS = 10
AFFIXES = 1500
# An affix's stems that have another one say how probable that is, as if so many more had not.
PRIOR = 20
MIN_PROBABILITY = 0.15
# Of words that a text has had once.
MIN_PROBABILITY_SEEN = 0.03
# Stems whose affixes are completed together.
ROWS = 4096


class Form(NamedTuple):
    """A word that was told.

    Attributes:
        probability: that it is one, given the words of its stem.
        siblings: the words of the same stem that the bitext has.
    """

    probability: float
    siblings: tuple[str, ...]


def find(
    words: Collection[str],
    *,
    seen: Collection[str] = (),
    blocked: Collection[str],
    size: int,
) -> dict[str, Form]:
    """Return the likeliest forms that the words of a language lack, best first.

    Args:
        words: of the language, each once, without names.
        seen: words that are too rare to be among them. What their sentences say of them is
            little, but they are words: as forms they come first, even improbable ones.
        blocked: words that must not be taken for forms: names, and words of others' languages.
        size: forms at most.
    """
    words, seen = sorted(set(words)), set(seen)
    known = set(blocked).union(words)
    tables = [_Table(words, before=before) for before in (True, False)]
    found: dict[str, tuple[float, _Table, int]] = {}
    for table in tables:
        for form, probability, row in table.complete(seen):
            if form not in known and (
                form not in found or probability > found[form][0]
            ):
                found[form] = (probability, table, row)
    best = heapq.nsmallest(
        size, found, key=lambda form: (form not in seen, -found[form][0], form)
    )
    told = {form: found[form] for form in best}
    return {
        form: Form(probability, table.words(row))
        for form, (probability, table, row) in told.items()
    }


class _Table:
    """Which affixes stand at which stems, all of them before or all of them behind."""

    def __init__(self, words: Collection[str], *, before: bool):
        self._before = before
        affixes: dict[str, set[str]] = collections.defaultdict(set)
        for word in words:
            for stem, affix in self._splits(word):
                affixes[stem].add(affix)
        several = {stem: found for stem, found in affixes.items() if len(found) > 1}
        counts = collections.Counter(a for found in several.values() for a in found)
        order = sorted(counts, key=lambda affix: (-counts[affix], affix))
        self._affixes = [a for a in order[:AFFIXES] if counts[a] >= MIN_STEMS]
        self._column = {affix: i for i, affix in enumerate(self._affixes)}
        kept = {
            stem: sorted(self._column[a] for a in found if a in self._column)
            for stem, found in sorted(several.items())
        }
        kept = {stem: columns for stem, columns in kept.items() if len(columns) > 1}
        self._stems = list(kept)
        self._row = {stem: i for i, stem in enumerate(kept)}
        rows = np.repeat(np.arange(len(kept)), [len(c) for c in kept.values()])
        columns = np.concatenate([*kept.values(), []]).astype(np.int64)
        ones = np.ones(len(rows), np.float32)
        shape = (len(kept), len(self._affixes))
        self._has = scipy.sparse.csr_matrix((ones, (rows, columns)), shape)

    def words(self, row: int) -> tuple[str, ...]:
        """Return the words of a stem."""
        return tuple(
            sorted(self._word(row, i) for i in self._has[row].indices.tolist())
        )

    def complete(self, seen: Collection[str]) -> Iterator[tuple[str, float, int]]:
        """Yield probable words that are none yet, how probable, and their stems' rows.

        Of those that were `seen` less probable ones, too.
        """
        both = (self._has.T @ self._has).toarray()
        given = both / (both.diagonal()[:, None] + PRIOR)
        np.fill_diagonal(given, 0)
        # A stem lacks an affix as far as each that it has is without it.
        lacking = np.log1p(-given)
        rows, columns = self._places(seen)
        for start in range(0, len(self._stems), ROWS):
            block = self._has[start : start + ROWS]
            probability = -np.expm1(block @ lacking)
            probability[block.nonzero()] = 0
            least = np.full(probability.shape, MIN_PROBABILITY)
            inside = (rows >= start) & (rows < start + ROWS)
            least[rows[inside] - start, columns[inside]] = MIN_PROBABILITY_SEEN
            places = np.argwhere(probability >= least)
            for row, column in places.tolist():
                word = self._word(start + row, column)
                yield word, float(probability[row, column]), start + row

    def _places(self, words: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows and columns of all splits of words into stems and affixes."""
        found = [
            (self._row[stem], self._column[affix])
            for word in words
            for stem, affix in self._splits(word)
            if stem in self._row and affix in self._column
        ]
        rows, columns = np.array(found, np.int64).reshape(-1, 2).T
        return rows, columns

    def _splits(self, word: str) -> Iterator[tuple[str, str]]:
        for n in range(min(MAX_AFFIX, len(word) - MIN_STEM) + 1):
            end = len(word) - n
            yield (word[n:], word[:n]) if self._before else (word[:end], word[end:])

    def _word(self, row: int, column: int) -> str:
        stem, affix = self._stems[row], self._affixes[column]
        return affix + stem if self._before else stem + affix
