"""Words of the teacher's vocabulary as the student's language spells them.

Bitext holds few of the names that people ask for, and none of the others' spellings:
"Seribiya" splits into pieces that say nothing of Serbia. How names are respelt is learnt
from those that the bitext has (`data.transliteration`), and told for those that it has not.
"""

import collections
import itertools
from collections.abc import Iterator, Mapping, Sequence

import tokenizers

from optical_jax.data import alignment, name_pairs
from optical_jax.data.sources import Pair
from optical_jax.data.transliteration import Transliterator
from optical_jax.models import names, word_ends

# Spellings of a word that are tried, and how probable each must be.
SPELLINGS = 6
MIN_PROBABILITY = 0.05
# A name and its spelling in the bitext: chance links to longer words are none.
LENGTHENED = 1.5
# Words that the target side has this often are learnt from their sentences.
LEARNT = 2


def find(
    model: Transliterator,
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
        model: of the bitext (`name_pairs.learn`).
        pairs: bitext; source is the teacher's language.
        teacher: WordPiece or Unigram.
        student: the same with the pieces of the student's language.
        copied: words that must go on splitting as they do (`names.find`).
        whole_words: whether the student's pieces of whole words have a mark behind.
        size: how many pieces at most; the teacher's first words come first.

    Returns:
        {student's piece: teacher's piece}.
    """
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

    of_names = names.letters(copied)

    def offer(text: str, probability: float, piece: str) -> None:
        new = mark + (text.capitalize() if cased else text) + end
        if (
            len(text) >= name_pairs.MIN_LETTERS
            and new not in known
            and probability > found.get(new, (0.0, ""))[0]
        ):
            found[new] = (probability, piece)

    small = name_pairs.in_small_letters([pair.source for pair in pairs])
    words: dict[str, str] = {}
    for piece, word in _words(teacher, small, mark=mark):
        words.setdefault(word, piece)  # of "Serbia" and "serbia" the commoner
    # Those of the bitext that are too rare for pieces of their own come first.
    for word, text in model.words:
        alike = len(text) <= LENGTHENED * len(word)
        if alike and word in words and text not in blocked:
            offer(text, 1.0, words[word])
    for word, piece in words.items():
        for spelling in model.spell(word, k=SPELLINGS):
            # In the letters of names the spelling of a common word may be another word.
            apart = small[word] < name_pairs.COMMON or set(spelling.text) - of_names
            if (
                spelling.probability >= MIN_PROBABILITY
                and spelling.text not in taken
                and apart
            ):
                offer(spelling.text, spelling.probability, piece)
        if len(found) >= size:
            break
    return {new: piece for new, (_, piece) in itertools.islice(found.items(), size)}


def _words(
    teacher: tokenizers.Tokenizer, small: Mapping[str, int], *, mark: str
) -> Iterator[tuple[str, str]]:
    """Yield the teacher's pieces that are whole words, and these in small letters.

    What the bitext has in small letters (`small`) has translations, which come before its
    spellings; but words are borrowed, too. It comes last, and the commonest last of all.
    """
    vocabulary = teacher.get_vocab(with_added_tokens=False)
    last, common = [], []
    for piece in sorted(vocabulary, key=vocabulary.__getitem__):
        word = piece.removeprefix(mark)
        folded = word.casefold()
        whole = piece.startswith(mark) and word.isalpha()
        if whole and len(word) >= name_pairs.MIN_LETTERS:
            if not small[folded]:
                yield piece, folded
            elif small[folded] < name_pairs.COMMON:
                last.append((piece, folded))
            else:
                common.append((piece, folded))
    yield from last
    yield from common


def _prefixes(word: str) -> Iterator[str]:
    return (word[:end] for end in range(1, len(word) + 1))
