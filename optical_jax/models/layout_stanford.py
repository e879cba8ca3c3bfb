"""Checkpoints of Stanford's ColBERT: one weights file and artifact.metadata, read.

The encoder's tensors have their family's prefix, the projection is `linear.weight` beside
them, and the settings are a JSON dump of ColBERTConfig (colbert/infra/config/settings.py).
Two facts are nowhere in it: queries are always expanded with mask tokens, and the skip list
is Python's `string.punctuation` or empty.
"""

import json
import string
from pathlib import Path
from typing import Any

import tokenizers

from optical_jax.models import layout, weights
from optical_jax.models.head import HeadConfig
from optical_jax.models.layout import Layout, Projection, read_json

_PROJECTION = "linear.weight"
# Defaults of ColBERTConfig, for what a file leaves out.
_DEFAULTS = {
    "query_token_id": "[unused0]",
    "doc_token_id": "[unused1]",
    "query_maxlen": 32,
    "doc_maxlen": 220,
    "mask_punctuation": True,
    "attend_to_mask_tokens": False,
    "similarity": "cosine",
}


def is_one(folder: Path) -> bool:
    """Tell whether a folder is a Stanford checkpoint, by its settings or architecture."""
    if (folder / layout.MODULES).is_file():
        # Saved by PyLate or sentence-transformers, which keep config.json as it was.
        return False
    if (folder / layout.STANFORD_SETTINGS).is_file():
        return True
    fields = read_json(folder / "config.json", {})
    return layout.STANFORD_ARCHITECTURE in (fields.get("architectures") or [])


def read(folder: Path, tokenizer: tokenizers.Tokenizer) -> Layout:
    """Read the layout; see `layout_reader.read`."""
    path = folder / layout.STANFORD_SETTINGS
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is a checkpoint of Stanford's ColBERT without {path.name}, which "
            "names its markers and lengths; other libraries go on with different defaults: "
            "copy the folder whole"
        )
    given = {k: v for k, v in read_json(path).items() if v is not None}
    settings = _DEFAULTS | given
    if settings["similarity"] != "cosine":
        raise ValueError(
            f"{path}: similarity must be 'cosine', got {settings['similarity']!r}; vectors "
            "are unit vectors here"
        )
    projection = find_projection(folder)
    width = weights.of_file(projection.paths[0])[_PROJECTION].shape[0]
    if settings.get("dim", width) != width:
        raise ValueError(
            f"{path}: dim is {settings['dim']}, but {projection.paths[0].name} has "
            f"{_PROJECTION} of width {width}; copy both from one checkpoint"
        )
    return Layout(head=_head(path, settings, width, tokenizer), projection=projection)


def find_projection(folder: Path) -> Projection:
    """Return the weights file that holds the projection.

    Raises:
        FileNotFoundError: if there are no safetensors.
        ValueError: if no file has it.
    """
    found = weights.entries(folder).get(_PROJECTION)
    if found is None:
        raise ValueError(
            f"{folder} has no tensor {_PROJECTION!r}, the projection of Stanford's ColBERT; "
            "if this is a plain encoder, remove artifact.metadata and pass a head"
        )
    return Projection(paths=(found.file,), weight=_PROJECTION)


def _head(
    path: Path,
    settings: dict[str, Any],
    width: int,
    tokenizer: tokenizers.Tokenizer,
) -> HeadConfig:
    for key in ("query_token_id", "doc_token_id"):
        if tokenizer.token_to_id(settings[key]) is None:
            raise ValueError(
                f"{path}: {key} names the marker {settings[key]!r}, which the vocabulary "
                f"of {tokenizer.get_vocab_size()} tokens lacks; take tokenizer.json of the "
                "same checkpoint"
            )
    return HeadConfig(
        projection=width,
        query_length=settings["query_maxlen"],
        document_length=settings["doc_maxlen"],
        query_marker=settings["query_token_id"],
        document_marker=settings["doc_token_id"],
        expansion=True,
        attend_to_expansion=settings["attend_to_mask_tokens"],
        skiplist=tuple(string.punctuation) if settings["mask_punctuation"] else (),
    )


def settings_text(head: HeadConfig, *, width: int) -> str:
    """Return the content of artifact.metadata for a head; `stanford_writer` checks it."""
    fields = {
        "query_token_id": head.query_marker,
        "doc_token_id": head.document_marker,
        "query_token": "[Q]",
        "doc_token": "[D]",
        "dim": head.projection or width,
        "similarity": "cosine",
        "query_maxlen": head.query_length,
        "doc_maxlen": head.document_length,
        "attend_to_mask_tokens": head.attend_to_expansion,
        "mask_punctuation": bool(head.skiplist),
        "checkpoint": None,
        "meta": {"version": "colbert-v0.4"},
    }
    return json.dumps(fields, indent=4, ensure_ascii=False) + "\n"
