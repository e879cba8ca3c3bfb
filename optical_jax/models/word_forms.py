"""Forms of the bitext's words that the bitext lacks: "rwatangiye" beside "yatangiye".

Where new pieces are whole words (`models.word_ends`) every form that a question has needs a piece
of its own, and a small bitext has few of the forms of a verb or noun. Which beginnings and
endings take each other's place is learnt from the list of its words (signatures, Goldsmith
2001): a stem that some of them stand at takes those, too, that often stand at the stems of these.
Forms are told as whole words, so that no other word, and no name, splits otherwise.
"""

import collections
import heapq
from collections.abc import Collection, Iterator, Mapping
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
    known, seen = set(words).union(blocked), set(seen)
    found: dict[str, Form] = {}
    for before in (True, False):
        for form, told in _completed(sorted(set(words)), before=before):
            least = MIN_PROBABILITY_SEEN if form in seen else MIN_PROBABILITY
            if (
                form not in known
                and told.probability >= least
                and (form not in found or told.probability > found[form].probability)
            ):
                found[form] = told
    best = heapq.nsmallest(
        size,
        found,
        key=lambda form: (form not in seen, -found[form].probability, form),
    )
    return {form: found[form] for form in best}


def _completed(words: list[str], *, before: bool) -> Iterator[tuple[str, Form]]:
    """Yield forms of an affix before their stem, or behind it, as often as they are told."""
    affixes: dict[str, set[str]] = collections.defaultdict(set)
    for word in words:
        for n in range(min(MAX_AFFIX, len(word) - MIN_STEM) + 1):
            if before:
                affixes[word[n:]].add(word[:n])
            else:
                affixes[word[: len(word) - n]].add(word[len(word) - n :])
    stems, names, table = _table(affixes)
    both = (table.T @ table).toarray()
    given = both / (both.diagonal()[:, None] + PRIOR)
    np.fill_diagonal(given, 0)
    # A stem lacks an affix as far as each that it has is without it.
    lacking = np.log1p(-given)
    for start in range(0, len(stems), ROWS):
        block = table[start : start + ROWS]
        probability = -np.expm1(block @ lacking)
        probability[block.nonzero()] = 0
        for row, column in zip(
            *np.nonzero(probability >= MIN_PROBABILITY_SEEN), strict=True
        ):
            stem, affix = stems[start + row], names[column]
            has = (names[i] for i in block[row].indices)
            yield (
                affix + stem if before else stem + affix,
                Form(
                    float(probability[row, column]),
                    tuple(sorted(a + stem if before else stem + a for a in has)),
                ),
            )


def _table(
    affixes: Mapping[str, set[str]],
) -> tuple[list[str], list[str], scipy.sparse.csr_matrix]:
    """Return stems of two common affixes or more, these affixes, and which stand at which."""
    several = {stem: found for stem, found in affixes.items() if len(found) > 1}
    counts = collections.Counter(a for found in several.values() for a in found)
    order = sorted(counts, key=lambda affix: (-counts[affix], affix))
    names = [affix for affix in order[:AFFIXES] if counts[affix] >= MIN_STEMS]
    column = {affix: i for i, affix in enumerate(names)}
    kept = {
        stem: sorted(column[a] for a in found if a in column)
        for stem, found in sorted(several.items())
    }
    kept = {stem: columns for stem, columns in kept.items() if len(columns) > 1}
    rows = np.repeat(np.arange(len(kept)), [len(c) for c in kept.values()])
    columns = np.concatenate([*kept.values(), []]).astype(np.int64)
    ones = np.ones(len(rows), np.float32)
    shape = (len(kept), len(names))
    return list(kept), names, scipy.sparse.csr_matrix((ones, (rows, columns)), shape)
