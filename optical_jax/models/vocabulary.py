"""Vocabulary transplant: give a teacher's encoder the pieces of another language.

The transformer layers stay as they are. The vocabulary is extended (names go on splitting
as the teacher splits them) or replaced, and new embedding rows start near the
teacher's rows for what the pieces mean.
"""

import collections
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tokenizers
from jaxtyping import Float

from optical_jax.data import alignment, name_pairs
from optical_jax.data.sources import Pair
from optical_jax.models import (
    initialization,
    names,
    subwords,
    told_pieces,
    trim,
    word_ends,
)


@dataclass(frozen=True, kw_only=True)
class VocabularyConfig:
    """Say which pieces a student's vocabulary has and how their rows start."""

    # "keep" the teacher's vocabulary as it is; "trim" it to the pieces that the bitext uses
    # (both sides), for a teacher that knows the language and many others; "extend" it;
    # "replace" it but for the special tokens (for scripts that the teacher never saw).
    mode: Literal["keep", "trim", "extend", "replace"] = "extend"
    # Pieces trained on the student's language; those the teacher has are not added twice.
    size: int = 12_000
    # Rarer pieces are left out.
    min_frequency: int = 2
    # Whether new pieces are whole words, or the ends of words, which split no other ones
    # ("extend", WordPiece): names that the bitext does not hold go on splitting as the
    # teacher splits them.
    whole_words: bool = False
    # Parts of words to choose further pieces from, for words that the bitext lacks
    # ("whole_words"); those that would split names are left out. 0: none.
    word_parts: int = 0
    # Further pieces: words of the teacher's vocabulary as the student's language may spell
    # them, told from the names of the bitext ("alignment" alone). 0: none.
    spelled_names: int = 0
    # Further pieces: parts of the teacher's words as a language with letters of its own may
    # spell them, of which names fall that no vocabulary has ("whole_words", "alignment"
    # alone). 0: none.
    spelled_parts: int = 0
    # Further pieces: forms of the bitext's words that it lacks, told from the beginnings and
    # endings that its words have ("whole_words"). 0: none.
    word_forms: int = 0
    # Further pieces: words and spelled names in letters that names do not have, as stems that
    # the language's endings follow ("whole_words"). 0: none.
    stems: int = 0
    # The table's rows are rounded up to a multiple of it: devices split the table evenly,
    # and languages whose tables agree share compiled programs.
    row_multiple: int = 128
    # "alignment": translations by word alignment of the bitext, else spelling, else the
    # mean row. "spelling": without translations. "random": noise like the teacher's rows.
    initialization: Literal["alignment", "spelling", "random"] = "alignment"

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("size", "min_frequency", "row_multiple"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"vocabulary.{name} must be at least 1, got {getattr(self, name)}"
                )
        for name in ("word_parts", "spelled_parts", "word_forms", "stems"):
            value = getattr(self, name)
            if value < 0 or (value and not self.whole_words):
                raise ValueError(
                    f"vocabulary.{name} must be 0, or more with vocabulary.whole_words, got "
                    f"{value} with whole_words {self.whole_words}"
                )
        if self.whole_words and self.mode != "extend":
            raise ValueError(
                "vocabulary.whole_words is of vocabulary.mode 'extend', got "
                f"{self.mode!r}; leave it out"
            )
        if self.spelled_names < 0:
            raise ValueError(
                f"vocabulary.spelled_names must be at least 0, got {self.spelled_names}"
            )


@dataclass(frozen=True, kw_only=True)
class Transplant:
    """A tokenizer, the embedding rows that belong to it, and counts of both."""

    tokenizer: tokenizers.Tokenizer
    embeddings: Float[np.ndarray, "v d"]
    report: dict[str, int | float]


def transplant(
    tokenizer: tokenizers.Tokenizer,
    embeddings: Float[np.ndarray, "v d"],
    pairs: Sequence[Pair],
    config: VocabularyConfig,
    *,
    seed: int,
) -> Transplant:
    """Make the student's tokenizer and embedding rows from the teacher's and bitext.

    WordPiece takes the longest piece that fits, so that words of the teacher's may split
    otherwise once pieces are added. Under `extend` no pieces are made of words that
    translations copy, or kept that split these most; `names_resplit` in the report is
    the share of the copied words that split otherwise all the same.

    With `whole_words` only those do that are new pieces themselves, also names that the
    bitext has not.

    Args:
        tokenizer: The teacher's.
        embeddings: The teacher's, a row per id.
        pairs: Bitext; source is the teacher's language.
        config: What to make.
        seed: Of the random initialisation.

    Returns:
        The transplant. Its report has `kept` (the teacher's pieces), `added` and, where
        ends of words are marked, `word_ends` (the kept ones with marks), the number of
        rows by origin (`initialization.Rows`), and how the target's words
        split before and after.
    """
    if config.mode == "keep":
        return Transplant(
            tokenizer=tokenizer,
            embeddings=embeddings,
            report={"kept": len(embeddings), "added": 0},
        )
    if not pairs:
        raise ValueError("a vocabulary is trained on bitext, got 0 pairs")
    if config.mode == "trim":
        return _trimmed(tokenizer, embeddings, pairs, config)
    copied = names.find(pairs)
    student = subwords.train(
        tokenizer,
        [pair.target for pair in pairs],
        size=config.size,
        min_frequency=config.min_frequency,
        replace=config.mode == "replace",
        # A vocabulary of its own needs pieces for names too.
        copied=copied if config.mode == "extend" else {},
        whole_words=config.whole_words,
        parts=config.word_parts,
        spared=_names(pairs) if config.word_parts else frozenset(),
    )
    # Spellings are told from translations, and start from them.
    of_translations = config.initialization == "alignment"
    told = told_pieces.tell(
        pairs,
        teacher=tokenizer,
        student=student,
        copied=copied,
        spelled=config.spelled_names if of_translations else 0,
        parts=config.spelled_parts if of_translations else 0,
        forms=config.word_forms,
        stems=config.stems,
        whole_words=config.whole_words,
    )
    student = told.student
    rows, report = _rows(tokenizer, student, embeddings, pairs, config, seed=seed)
    told.start(rows, teacher=tokenizer, embeddings=embeddings)
    report["spelled_names"] = len(told.spelled)
    if config.spelled_parts:
        report["spelled_parts"] = len(told.parts)
    if config.word_forms:
        report["word_forms"] = len(told.forms)
    if config.stems:
        report["stems"] = len(told.stems)
    report |= _coverage(tokenizer, student, [pair.target for pair in pairs])
    changed = names.resplit(copied, teacher=tokenizer, student=student)
    report["names_resplit"] = round(len(changed) / max(len(copied), 1), 4)
    return Transplant(tokenizer=student, embeddings=rows, report=report)


def _names(pairs: Sequence[Pair]) -> frozenset[str]:
    """Return the words of the source side that never stand in small letters."""
    texts = [pair.source for pair in pairs]
    small = name_pairs.in_small_letters(texts)
    words = {word for text in texts for word in alignment.word_tokenize(text)}
    return frozenset(word for word in words if word.isalpha() and not small[word])


def _trimmed(
    tokenizer: tokenizers.Tokenizer,
    embeddings: Float[np.ndarray, "v d"],
    pairs: Sequence[Pair],
    config: VocabularyConfig,
) -> Transplant:
    made = trim.trim(tokenizer, (text for pair in pairs for text in pair))
    size = -(-len(made.kept) // config.row_multiple) * config.row_multiple
    rows = np.zeros((size, embeddings.shape[1]), np.float32)
    rows[: len(made.kept)] = embeddings[made.kept]
    dropped = tokenizer.get_vocab_size() - len(made.kept)
    return Transplant(
        tokenizer=made.tokenizer,
        embeddings=rows,
        report={"kept": len(made.kept), "added": 0, "dropped": dropped},
    )


def _rows(
    teacher: tokenizers.Tokenizer,
    student: tokenizers.Tokenizer,
    embeddings: Float[np.ndarray, "v d"],
    pairs: Sequence[Pair],
    config: VocabularyConfig,
    *,
    seed: int,
) -> tuple[Float[np.ndarray, "w d"], dict[str, int | float]]:
    ids = student.get_vocab(with_added_tokens=True)
    known = teacher.get_vocab(with_added_tokens=True)
    size = 1 + max(ids.values())
    if config.mode == "extend":
        # A table may have more rows than the vocabulary has pieces.
        size = max(size, len(embeddings))
    size = -(-size // config.row_multiple) * config.row_multiple
    rows = np.zeros((size, embeddings.shape[1]), np.float32)
    if config.mode == "extend":
        rows[: len(embeddings)] = embeddings
    special = {token.content for token in student.get_added_tokens_decoder().values()}
    for token in special:
        rows[ids[token]] = embeddings[known[token]]
    pieces = sorted(ids.keys() - special, key=ids.__getitem__)
    if config.initialization == "alignment":
        made = initialization.from_alignment(
            pieces, teacher=teacher, student=student, embeddings=embeddings, pairs=pairs
        )
    elif config.initialization == "spelling":
        made = initialization.from_spelling(
            pieces, teacher=teacher, embeddings=embeddings
        )
    else:
        if config.mode == "extend":
            pieces = [piece for piece in pieces if piece not in known]
        made = initialization.from_noise(pieces, embeddings=embeddings, seed=seed)
    rows[[ids[piece] for piece in pieces]] = made.values
    new = ids.keys() - known.keys()
    doubled = sum(word_ends.bare(piece) in known for piece in new)
    origins = collections.Counter(made.origins)
    origins["teacher"] += len(ids) - len(pieces)
    return rows, {
        "kept": len(ids) - len(new),
        "added": len(new) - doubled,
        **({"word_ends": doubled} if doubled else {}),
        **dict(sorted(origins.items())),
    }


def _coverage(
    teacher: tokenizers.Tokenizer,
    student: tokenizers.Tokenizer,
    targets: Sequence[str],
) -> dict[str, int | float]:
    """Return how the target's words split under both tokenizers."""
    report = {}
    for name, tokenizer in (("before", teacher), ("after", student)):
        encodings = tokenizer.encode_batch(list(targets), add_special_tokens=False)
        pieces = sum(len(e.ids) for e in encodings)
        total = sum(len(set(e.word_ids)) for e in encodings)
        unknown = {tokenizer.token_to_id(t) for t in ("[UNK]", "<unk>")}
        lost = sum(i in unknown for e in encodings for i in e.ids)
        report[f"pieces_per_word_{name}"] = round(pieces / max(total, 1), 3)
        report[f"unknown_{name}"] = round(lost / max(pieces, 1), 4)
    return report
