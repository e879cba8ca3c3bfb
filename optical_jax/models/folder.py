"""Retriever folders on disk: load what other libraries wrote, write what they read.

Three kinds: PyLate's multi-vector layout, the single-vector layout of
sentence-transformers, and a plain encoder folder, which has no head of its own. What
would give other vectors than the folder's own library gives is refused, with the reason.
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
import tokenizers
from flax import nnx
from jax.typing import DTypeLike

from optical_jax.data import staging, tokenize
from optical_jax.models import (
    families,
    hf,
    layout,
    layout_writer,
    tokenizer_files,
    weights,
)
from optical_jax.models import retriever as retriever_lib
from optical_jax.models.families import EncoderConfig
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Retriever

_DENSE_TENSOR = "linear.weight"


def load(
    path: str | Path,
    *,
    head: HeadConfig | None = None,
    dtype: DTypeLike | None = jnp.float32,
    place: Callable[[nnx.State], Any] | None = None,
) -> Retriever:
    """Load a retriever from a folder or a hub id.

    Args:
        path: a folder in one of the three layouts, or a hub id as OWNER/NAME.
        head: used instead of what the folder says: needed for a plain encoder, and to
            use a single-vector folder token by token.
        dtype: of the encoder's parameters; None keeps that of the files.
        place: abstract parameters to the sharding of each (`sharding.of_state`), so that
            each tensor goes from the file to its shards; None: all on one device.

    Raises:
        FileNotFoundError: if a file is missing without which vectors would be wrong.
        ValueError: if weights, tokenizer and settings do not fit each other, or the
            folder describes a head that this library has not.
    """
    folder = hf.resolve(path)
    encoder = hf.read_config(folder)
    tokenizer = tokenizer_files.read(folder, rows=encoder.vocab_size)
    if head is None:
        found = layout.read(folder)
        head, dense = found.head, found.dense
        if found.lowercase:
            _check_uncased(folder, tokenizer)
    else:
        dense = layout.find_dense(folder) if head.projection is not None else None
        if head.projection is not None and dense is None:
            raise ValueError(
                f"head.projection is {head.projection} but {folder} has no projection "
                "weights; set head.projection to None or train them first"
            )
    _check_lengths(folder, encoder, head)
    kernel = None if dense is None else _read_projection(dense, encoder, head)
    if kernel is None:
        head = dataclasses.replace(head, projection=None)
    abstract = retriever_lib.abstract_params(encoder, head)
    placed = None if place is None else place(abstract)
    within = None if placed is None else placed["encoder"]
    params = hf.read_params(folder, encoder, dtype=dtype, shardings=within)
    read = nnx.to_flat_state(params)
    values = {("encoder", *path): leaf[...] for path, leaf in read}
    if kernel is not None:
        values["projection", "kernel"] = (
            kernel
            if placed is None
            else jax.device_put(kernel, jax.tree.leaves(placed["projection"])[0])
        )
    special = tokenizer_files.read_special_tokens(folder, tokenizer)
    text = tokenize.TextEncoder(tokenizer, head, special=special)
    params = retriever_lib.from_values(encoder, head, values)
    return Retriever(encoder, head, text, params)


def save(
    retriever: Retriever,
    path: Path,
    *,
    license: str | None = None,  # noqa: A002 - the model card's own word
    card: str | None = None,
) -> None:
    """Write a retriever in the layout of its head's kind; all of it or nothing.

    Words of the skip list that are not single tokens are left out: they skip nothing
    here, while other libraries take them for the unknown token and skip that.

    Args:
        retriever: what to write.
        path: a folder that does not exist yet, or is empty.
        license: goes into the card's header, where card is not given.
        card: the whole text of README.md.

    Raises:
        ValueError: if the folder has content, or the layout cannot express the head.
    """
    known = retriever.text.tokenizer.token_to_id
    head = dataclasses.replace(
        retriever.head,
        skiplist=tuple(w for w in retriever.head.skiplist if known(w) is not None),
    )
    width = retriever.encoder.hidden_size
    files = layout_writer.files(head, width=width)
    with staged(path) as folder:
        write_encoder(retriever, folder)
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            _write_json(folder / name, content)
        dense = layout_writer.dense_folder(head)
        if dense is not None:
            kernel = np.eye(width, dtype=np.float32)
            if head.projection is not None:
                kernel = np.asarray(retriever.params["projection"]["kernel"][...])
            safetensors.numpy.save_file(
                {_DENSE_TENSOR: np.ascontiguousarray(kernel.T)},
                folder / dense / "model.safetensors",
                metadata={"format": "pt"},
            )
        text = card if card is not None else _plain_card(license)
        (folder / "README.md").write_text(text, encoding="utf-8")


def write_encoder(retriever: Retriever, folder: Path) -> None:
    """Write the encoder and its tokenizer, without a head, into an existing folder."""
    config, text = retriever.encoder, retriever.text
    tokenizer_files.check_vocabulary(text.tokenizer, rows=config.vocab_size)
    params = retriever.params["encoder"]
    dtype = str(jax.tree.leaves(params)[0].dtype)
    _write_json(folder / "config.json", families.config_fields(config, dtype=dtype))
    hf.write_params(params, config, folder)
    tokenizer_files.write(text, folder, length=config.max_length)


@contextlib.contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Give a folder to write into that becomes `path` if nothing fails.

    Raises:
        ValueError: if path exists and is not an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path} exists already; remove it or choose another folder")
    with staging.folder(path) as temporary:
        yield temporary


def _check_uncased(folder: Path, tokenizer: tokenizers.Tokenizer) -> None:
    if tokenizer.encode("A").ids != tokenizer.encode("a").ids:
        raise ValueError(
            f"{folder / layout.TRANSFORMER_SETTINGS}: do_lower_case must be false "
            "unless the tokenizer itself lowercases, got true; pass a head to use the "
            "folder without it"
        )


def _check_lengths(folder: Path, encoder: EncoderConfig, head: HeadConfig) -> None:
    for name in ("query_length", "document_length"):
        if getattr(head, name) > encoder.max_length:
            raise ValueError(
                f"head.{name} must be at most {encoder.max_length}, the positions of "
                f"the encoder in {folder}, got {getattr(head, name)}"
            )


def _read_projection(
    dense: Path, encoder: EncoderConfig, head: HeadConfig
) -> jax.Array | None:
    path = dense / "model.safetensors"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing; a projection is read from safetensors only"
        )
    wanted = (head.projection, encoder.hidden_size)
    weight = weights.read_file(path).get(_DENSE_TENSOR)
    if weight is None or weight.shape != wanted:
        raise ValueError(
            f"{path}: {_DENSE_TENSOR} must have the shape {wanted}, got "
            f"{None if weight is None else weight.shape}"
        )
    # `save` writes the identity for a head without projection.
    if wanted[0] == wanted[1] and np.array_equal(weight, np.eye(wanted[0])):
        return None
    return jnp.asarray(weight.T, jnp.float32)


def _write_json(path: Path, content: Any) -> None:  # noqa: ANN401
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _plain_card(license: str | None) -> str:  # noqa: A002
    stated = f"license: {license}\n" if license else ""
    return f"---\n{stated}tags:\n- optical-jax\n---\n"
