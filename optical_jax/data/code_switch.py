"""Code-switched text: words of a text replaced by translations, in place.

Litschko, Artemova, Plank, "Boosting Zero-shot Cross-lingual Retrieval by Training on
Artificially Code-Switched Data" (arXiv 2305.05295): each word that a dictionary holds is
replaced with probability p. With p = 1 the text becomes a word-by-word gloss. Words that no
dictionary holds may be respelt as the language respells names. Whatever is not replaced
stays as it is, to the character.
"""

import functools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from optical_jax.data import lexicon, name_pairs, word_spans
from optical_jax.data.dictionaries import (
    Dictionary,
    DictionarySource,
    Translation,
)
from optical_jax.data.transliteration import Spelling, Transliterator
from optical_jax.data.word_spans import Span

# Which of a word's translations: any; by probability; the most probable.
Choice = Literal["random", "weighted", "best"]

# Between letters or digits these do not part words: "U.N.", "2,500", "a@b.org".
_GLUE = ".,:@_"
# Spellings of a word that may be taken.
_SPELLINGS = 3


@dataclass(frozen=True, kw_only=True)
class CodeSwitchConfig:
    """Switch the student's texts while training; each epoch switches other words."""

    # That a word with a translation is replaced; 0 switches nothing.
    probability: float = 0.0
    # From the language of the texts. With several languages every word draws its own.
    dictionaries: tuple[DictionarySource, ...] = ()
    # Which texts: "source" and "target" of bitext, "query" and "document" of examples of
    # relevance. What the teacher reads stays as it is.
    fields: tuple[str, ...] = ()
    choice: Choice = "random"
    # That an example stays as it is: the alpha of hybrid batches (arXiv 2408.10536).
    monolingual: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("probability", "monolingual"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"code_switch.{name} must be between 0 and 1, got "
                    f"{getattr(self, name)}"
                )
        if self.probability and not (self.dictionaries and self.fields):
            raise ValueError(
                "code_switch.probability is above 0, so it needs dictionaries and "
                f"fields; got {self.dictionaries} and {self.fields}"
            )


@dataclass(frozen=True, kw_only=True)
class CodeSwitcher:
    """Replaces words by their translations, one dictionary for each language."""

    dictionaries: Sequence[Dictionary]
    probability: float
    choice: Choice = "random"
    # Spells words that no dictionary holds as the language spells names.
    transliterator: Transliterator | None = None
    # That such a word is respelt.
    respelt: float = 0.0

    def switch(self, text: str, rng: np.random.Generator) -> str:
        """Return the text with words replaced; equal generators give equal texts.

        The longest entry that a place begins with is replaced or kept as a whole. Its
        words stand together: only blanks and hyphens are between them.
        """
        spans = word_spans.spans(text)
        asking = lexicon.asking(text, spans)
        names = lexicon.names(text, spans)
        pieces: list[str] = []
        done = at = 0
        while at < len(spans):
            words = self._together(text, spans[at : at + self._longest])
            found = self._find(words, rng, question=asking[at], name=names[at])
            if found is None:
                span = spans[at]
                respelt = self._respell(text, span, rng)
                if respelt is not None:
                    pieces += [text[done : span.begin], respelt]
                    done = span.end
                at += 1
                continue
            length, translations = found
            begin, end = spans[at].begin, spans[at + length - 1].end
            if rng.random() < self.probability:
                translation = _cased(self._choose(translations, rng), text[begin])
                pieces += _spaced(text[done:begin], translation)
                done = end
            # The pairs of scripts without spaces overlap.
            while at < len(spans) and spans[at].begin < end:
                at += 1
        switched = "".join([*pieces, text[done:]])
        return switched.lstrip() if done else switched

    @functools.cached_property
    def _longest(self) -> int:
        return max((d.longest for d in self.dictionaries), default=0)

    def _together(self, text: str, spans: Sequence[Span]) -> list[str]:
        """Return the words that may be one entry, from the first of these on."""
        length = 0
        for before, span in zip(
            [spans[0], *spans], spans[: self._longest], strict=False
        ):
            if not word_spans.together(text, (before, span)) or _is_glued(text, span):
                break
            length += 1
        return [span.word for span in spans[:length]]

    def _find(
        self,
        words: Sequence[str],
        rng: np.random.Generator,
        *,
        question: bool,
        name: bool,
    ) -> tuple[int, tuple[Translation, ...]] | None:
        found = [d.find(words, question=question, name=name) for d in self.dictionaries]
        known = [entry for entry in found if entry is not None]
        if len(known) < 2:
            return known[0] if known else None
        return known[rng.integers(len(known))]

    def _respell(self, text: str, span: Span, rng: np.random.Generator) -> str | None:
        """Return a spelling of a word that no dictionary holds; None where it stays."""
        if self.transliterator is None or rng.random() >= self.respelt:
            return None
        if not span.word.isalpha() or len(span.word) < name_pairs.MIN_LETTERS:
            return None
        spellings = [] if _is_glued(text, span) else self._spellings(span.word)
        if not spellings:
            return None
        p = np.array([spelling.probability for spelling in spellings])
        chosen = spellings[rng.choice(len(spellings), p=p / p.sum())]
        return _cased(chosen.text, text[span.begin])

    @functools.cached_property
    def _spellings(self) -> Callable[[str], list[Spelling]]:
        """Return a word's spellings, each word's found once."""
        return functools.cache(
            functools.partial(self.transliterator.spell, k=_SPELLINGS)
        )

    def _choose(
        self, translations: Sequence[Translation], rng: np.random.Generator
    ) -> str:
        if self.choice == "best":
            return max(translations, key=lambda t: t.probability).text
        weights = [t.probability for t in translations]
        p = np.array(weights) / sum(weights) if self.choice == "weighted" else None
        return translations[rng.choice(len(translations), p=p)].text


class SwitchedExamples:
    """Examples with switched texts for the student beside those of the teacher."""

    def __init__(
        self,
        examples: Any,  # noqa: ANN401
        switcher: CodeSwitcher,
        config: CodeSwitchConfig,
        *,
        seed: int,
    ):
        """Take examples as the pipeline reads them, and what to switch in them."""
        self._examples, self._switcher = examples, switcher
        self._config, self._seed = config, seed

    def read(self, indices: np.ndarray) -> list[dict[str, list]]:
        """Return several examples' columns, and `column(name)` of the switched fields.

        Draws depend on the seed and on which examples the window holds, in which order:
        another epoch has other windows, and a resumed run the same.
        """
        window = zlib.crc32(np.ascontiguousarray(indices).tobytes())
        rng = np.random.default_rng((self._seed, window))
        return [self._switched(row, rng) for row in self._examples.read(indices)]

    def _switched(
        self, row: dict[str, list], rng: np.random.Generator
    ) -> dict[str, list]:
        stays = rng.random() < self._config.monolingual
        switched = {
            column(name): row[name]
            if stays
            else [self._switcher.switch(text, rng) for text in row[name]]
            for name in self._config.fields
            if name in row
        }
        return row | switched


def column(name: str) -> str:
    """Return the column of an example that holds a field's switched texts."""
    return f"switched {name}"


def _is_glued(text: str, span: Span) -> bool:
    """Tell whether a word is a part of an abbreviation, a number, an address."""
    before, after = text[: span.begin][-2:], text[span.end :][:2]
    return any(
        len(two) == 2 and two[mark] in _GLUE and two[1 - mark].isalnum()
        for two, mark in ((before, 1), (after, 0))
    )


def _cased(translation: str, original: str) -> str:
    """Begin as the original begins, if that is a capital."""
    if original.isupper():
        return translation[:1].upper() + translation[1:]
    return translation


def _spaced(before: str, translation: str) -> list[str]:
    """Return both; where a word is left out, one of the blanks around it goes too."""
    return [before, translation] if translation else [before.rstrip()]
