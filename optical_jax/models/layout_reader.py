"""Find out which layout a retriever folder has, and read what it says of its head."""

from pathlib import Path

import tokenizers

from optical_jax.models import layout, layout_bge_m3, layout_modules, layout_stanford
from optical_jax.models.layout import Layout, Projection


def read(folder: Path, tokenizer: tokenizers.Tokenizer) -> Layout:
    """Read the layout of a retriever folder: Stanford, BGE-M3, PyLate, sentence-transformers.

    Args:
        folder: a local folder.
        tokenizer: the folder's own, which says what is a token.

    Raises:
        FileNotFoundError: if modules.json or the settings of a module are missing. Other
            libraries go on without modules.json, with wrong vectors.
        ValueError: if the folder describes a head that this library has not.
    """
    if layout_stanford.is_one(folder):
        return layout_stanford.read(folder, tokenizer)
    if layout_bge_m3.has_head(folder):
        return layout_bge_m3.read(folder)
    if not (folder / layout.MODULES).is_file():
        layout_bge_m3.refuse_pickle(folder)
    return layout_modules.read(folder, tokenizer)


def find_projection(folder: Path) -> Projection | None:
    """Return the folder's projection of token vectors, if it says it has one."""
    if layout_stanford.is_one(folder):
        return layout_stanford.find_projection(folder)
    if layout_bge_m3.has_head(folder):
        return layout_bge_m3.find_projection(folder)
    return layout_modules.find_projection(folder)
