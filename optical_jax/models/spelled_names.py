"""Words of the teacher's vocabulary as the student's language spells them.

Bitext holds few of the names that people ask for, and none of the others' spellings:
"Seribiya" splits into pieces that say nothing of Serbia. How names are respelt is learnt
from those that the bitext has (`data.transliteration`), and told for those that it has not.
"""

import collections
import itertools
from collections.abc import Iterator, Mapping, Sequence

import tokenizers

from optical_jax.data import alignment, lexicon, phrases, transliteration
from optical_jax.data.sources import Pair
from optical_jax.models import word_ends

# The names linked most often are enough to learn from.
NAMES = 3000
# Shorter words coincide with others by chance.
MIN_LETTERS = 4
# Spellings of a word that are tried, and how probable each must be.
SPELLINGS = 6
MIN_PROBABILITY = 0.05
# A name and its spelling in the bitext: chance links to longer words are none.
LENGTHENED = 1.5
# Words that the target side has this often are learnt from their sentences.
LEARNT = 2
# Words that the source side has this often in lower case have translations, not spellings.
COMMON = 5


def find(
    pairs: Sequence[Pair],
    *,
    teacher: tokenizers.Tokenizer,
    student: tokenizers.Tokenizer,
    copied: Mapping[str, int],
    size: int,
    whole_words: bool = False,
) -> dict[str, str]:
    """Return pieces that whole words split into, with the teacher's piece of each.

    Args:
        pairs: bitext; source is the teacher's language.
        teacher: WordPiece or Unigram.
        student: the same with the pieces of the student's language.
        copied: words that must go on splitting as they do (`names.find`).
        whole_words: whether the student's pieces of whole words have a mark behind.
        size: how many pieces at most; the teacher's first words come first.

    Returns:
        {student's piece: teacher's piece}; empty where the bitext teaches no spelling.
    """
    model = transliteration.learn(_linked_names(pairs))
    if model is None:
        return {}
    # A piece that is marked as a whole word splits no longer one.
    end = word_ends.END if whole_words else ""
    blocked = set(copied)
    if not whole_words:
        blocked.update(itertools.chain.from_iterable(map(_prefixes, copied)))
    seen = collections.Counter(
        word for pair in pairs for word in alignment.word_tokenize(pair.target)
    )
    taken = blocked.union(word for word, count in seen.items() if count >= LEARNT)
    cased = teacher.normalizer is None or teacher.normalizer.normalize_str("A") != "a"
    mark = "▁" if "▁the" in teacher.get_vocab() else ""
    known = student.get_vocab()
    found: dict[str, tuple[float, str]] = {}

    def offer(text: str, probability: float, piece: str) -> None:
        new = mark + (text.capitalize() if cased else text) + end
        if (
            len(text) >= MIN_LETTERS
            and new not in known
            and probability > found.get(new, (0.0, ""))[0]
        ):
            found[new] = (probability, piece)

    words: dict[str, str] = {}
    for piece, word in _words(teacher, mark=mark, common=_common(pairs)):
        words.setdefault(word, piece)  # of "Serbia" and "serbia" the commoner
    # Those of the bitext that are too rare for pieces of their own come first.
    for word, text in model.words:
        alike = len(text) <= LENGTHENED * len(word)
        if alike and word in words and text not in blocked:
            offer(text, 1.0, words[word])
    for word, piece in words.items():
        for spelling in model.spell(word, k=SPELLINGS):
            if spelling.probability >= MIN_PROBABILITY and spelling.text not in taken:
                offer(spelling.text, spelling.probability, piece)
        if len(found) >= size:
            break
    return {new: piece for new, (_, piece) in itertools.islice(found.items(), size)}


def _linked_names(pairs: Sequence[Pair]) -> set[tuple[str, str]]:
    """Return frequent names of the source side, each with the word it is mostly linked to."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    for linked in phrases.link(pairs):
        is_name = lexicon.names(linked.pair.source, linked.source)
        links = linked.links.tolist()
        sources = collections.Counter(i for i, _ in links)
        targets = collections.Counter(j for _, j in links)
        for i, j in links:
            if is_name[i] and sources[i] == targets[j] == 1:
                counts[linked.source[i].word][linked.target[j].word] += 1
    alike = {
        (name, word): count
        for name, found in counts.items()
        for word, count in found.items()
        if name.isalpha()
        and len(name) >= MIN_LETTERS
        and name != word
        and "'" not in word
        and 2 * count > found.total()
    }
    return set(sorted(alike, key=lambda pair: (-alike[pair], pair))[:NAMES])


def _common(pairs: Sequence[Pair]) -> set[str]:
    """Return the words that the source side has in lower case, in some of its sentences."""
    counts: collections.Counter[str] = collections.Counter()
    for pair in pairs:
        counts.update({word for word in pair.source.split() if word.islower()})
    return {word for word, count in counts.items() if count >= COMMON}


def _words(
    teacher: tokenizers.Tokenizer, *, mark: str, common: set[str]
) -> Iterator[tuple[str, str]]:
    """Yield the teacher's pieces that are whole words, and these in small letters."""
    vocabulary = teacher.get_vocab(with_added_tokens=False)
    for piece in sorted(vocabulary, key=vocabulary.__getitem__):
        word = piece.removeprefix(mark)
        whole = piece.startswith(mark) and word.isalpha() and len(word) >= MIN_LETTERS
        folded = word.casefold()
        if whole and folded not in common:
            yield piece, folded


def _prefixes(word: str) -> Iterator[str]:
    return (word[:end] for end in range(1, len(word) + 1))
