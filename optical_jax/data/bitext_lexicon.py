"""Dictionaries for a run: those that are files, and those learnt from its own bitext.

Only the training split is looked at. A learnt lexicon is kept on disk as text, under a
name made of the bitext and the settings, so that it is learnt once.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from optical_jax.data import dictionaries, lexicon, lexicon_file, name_pairs, phrases
from optical_jax.data.bitext import Bitext
from optical_jax.data.dictionaries import Dictionary, DictionarySource
from optical_jax.data.phrases import Linked
from optical_jax.data.transliteration import Transliterator

# Goes up when the same bitext gives another lexicon than before.
FORMAT = 2


class BitextLexicon:
    """A prepared bitext with its word links and what is learnt from them."""

    def __init__(self, prepared: Bitext | None, *, data_dir: Path):
        """Take the bitext of a run, if it has one, and where its lexicons are kept."""
        self.prepared = prepared
        self._data_dir = data_dir

    @functools.cached_property
    def linked(self) -> list[Linked]:
        """The training pairs with their word links."""
        return phrases.link(self.prepared.pairs("train"))

    @functools.cached_property
    def transliterator(self) -> Transliterator:
        """How the training pairs respell names.

        Raises:
            ValueError: They teach no spelling.
        """
        found = name_pairs.learn(self.linked)
        if found is None:
            raise ValueError(
                "the bitext holds too few respelt names to learn from; set respelt to 0"
            )
        return found

    def path(self, source: DictionarySource) -> Path:
        """Return the file of the lexicon that a source asks for, learning it if needed.

        Raises:
            ValueError: The run has no bitext.
        """
        if self.prepared is None:
            raise ValueError(
                "a dictionary of format 'bitext' is learnt from data.sources, which is "
                "empty; name a file of another format"
            )
        settings = {
            "format": FORMAT,
            "bitext": [self.prepared.directory.name, self.prepared.limit],
            "max_words": source.max_words,
            "min_probability": source.min_probability,
            "reverse": source.reverse,
        }
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        path = self._data_dir / f"lexicon-{digest.hexdigest()[:16]}.tsv"
        if not path.is_file():
            linked = self.linked
            if source.reverse:
                linked = [pair.swapped() for pair in linked]
            rows = lexicon.learn(
                linked,
                max_words=source.max_words,
                min_probability=source.min_probability,
            )
            lexicon_file.write(path, rows)
        return path

    def dictionaries(
        self, sources: Sequence[DictionarySource], *, root: Path
    ) -> list[Dictionary]:
        """Return one dictionary for each language of the sources.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: A file is not what its format says, or nothing could be learnt.
        """
        return dictionaries.merge([self._read(source, root) for source in sources])

    def _read(self, source: DictionarySource, root: Path) -> Dictionary:
        if source.format == "bitext":
            kept = DictionarySource(
                format="lexicon",
                path=str(self.path(source).absolute()),
                language=source.language,
            )
            return dictionaries.read(kept, root=root)
        return dictionaries.read(source, root=root)
