"""Retriever folders on disk: load what other libraries wrote, write what they read.

PyLate's multi-vector layout, Stanford's, those of sentence-transformers, and a plain encoder
folder, which has no head of its own (`models.formats` lists them). What would give other
vectors than the folder's own library gives is refused, with the reason.
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
    layout_bge_m3,
    layout_reader,
    layout_writer,
    tokenizer_files,
    weights,
)
from optical_jax.models import retriever as retriever_lib
from optical_jax.models.families import EncoderConfig
from optical_jax.models.head import HeadConfig
from optical_jax.models.layout import Projection
from optical_jax.models.retriever import Retriever

# Abstract parameters to the sharding of each.
Place = Callable[[nnx.State], Any]


def load(
    path: str | Path,
    *,
    head: HeadConfig | None = None,
    dtype: DTypeLike | None = jnp.float32,
    place: Place | None = None,
) -> Retriever:
    """Load a retriever from a folder or a hub id.

    Args:
        path: a folder in one of the layouts, or a hub id as OWNER/NAME.
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
        found = layout_reader.read(folder, tokenizer)
        head, projection = found.head, found.projection
        if found.lowercase:
            _check_uncased(folder, tokenizer)
    else:
        projection = None
        if head.projection is not None:
            projection = layout_reader.find_projection(folder)
        if head.projection is not None and projection is None:
            layout_bge_m3.refuse_pickle(folder)
            raise ValueError(
                f"head.projection is {head.projection} but {folder} has no projection "
                "weights; set head.projection to None or train them first"
            )
    _check_lengths(folder, encoder, head)
    kernels = None
    if projection is not None:
        kernels = _read_projection(projection, encoder, head)
    if kernels is None:
        head = dataclasses.replace(head, projection=None)
    abstract = retriever_lib.abstract_params(encoder, head)
    placed = None if place is None else place(abstract)
    within = None if placed is None else placed["encoder"]
    params = hf.read_params(folder, encoder, dtype=dtype, shardings=within)
    read = nnx.to_flat_state(params)
    values = {("encoder", *path): leaf[...] for path, leaf in read}
    for name, value in (kernels or {}).items():
        path = ("projection", name)
        if placed is not None:
            (where,) = jax.tree.leaves(placed["projection"][name])
            whole = np.asarray(value)
            value = jax.make_array_from_callback(whole.shape, where, whole.__getitem__)
        values[path] = value
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
    newer: bool = False,
) -> None:
    """Write a retriever in the layout of its head's kind; all of it or nothing.

    Words of the skip list that are not single tokens are left out: they skip nothing
    here, while other libraries take them for the unknown token and skip that.

    Args:
        retriever: what to write.
        path: a folder that does not exist yet, or is empty.
        license: goes into the card's header, where card is not given.
        card: the whole text of README.md.
        newer: write the layout of sentence-transformers 6, which no earlier version and
            no PyLate can open.

    Raises:
        ValueError: if the folder has content, or the layout cannot express the head.
    """
    known = retriever.text.tokenizer.token_to_id
    head = dataclasses.replace(
        retriever.head,
        skiplist=tuple(w for w in retriever.head.skiplist if known(w) is not None),
    )
    width = retriever.encoder.hidden_size
    if newer:
        # Decoders' tokenizers may put nothing before a text.
        first = "".join(retriever.text.tokenizer.encode("").tokens[:1])
        files = layout_writer.newer_files(head, width=width, first=first)
        retriever = _with_special_markers(retriever)
    else:
        files = layout_writer.files(head, width=width)
    with staged(path) as folder:
        write_encoder(retriever, folder)
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            _write_json(folder / name, content)
        for name in files:
            if name.endswith("_Dense/config.json"):
                _write_projection(
                    retriever, (folder / name).with_name("model.safetensors")
                )
        text = card if card is not None else _plain_card(license)
        (folder / "README.md").write_text(text, encoding="utf-8")


def _with_special_markers(retriever: Retriever) -> Retriever:
    text, head = retriever.text, retriever.head
    markers = [m for m in (head.query_marker, head.document_marker) if m is not None]
    tokenizer = tokenizer_files.as_special(text.tokenizer, markers)
    marked = tokenize.TextEncoder(tokenizer, head, special=text.special)
    return dataclasses.replace(retriever, text=marked)


def _write_projection(retriever: Retriever, path: Path) -> None:
    head, width = retriever.head, retriever.encoder.hidden_size
    arrays = {"kernel": np.eye(width, dtype=np.float32)}
    if head.projection is not None:
        given = retriever.params["projection"]
        arrays = {name: np.asarray(leaf[...]) for name, leaf in given.items()}
    tensors = {"linear.weight": np.ascontiguousarray(arrays["kernel"].T)}
    if head.projection_bias:
        tensors["linear.bias"] = arrays["bias"]
    safetensors.numpy.save_file(tensors, path, metadata={"format": "pt"})


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
    projection: Projection, encoder: EncoderConfig, head: HeadConfig
) -> dict[str, jax.Array] | None:
    """Return the projection's parameters; None for an identity, which is none."""
    path = projection.paths[-1]
    for one in projection.paths:
        if not one.is_file():
            raise FileNotFoundError(
                f"{one} is missing; a projection is read from safetensors only"
            )
    if (projection.bias is not None) != head.projection_bias:
        raise ValueError(
            f"head.projection_bias must be {projection.bias is not None}, as the projection "
            f"in {path} has it, got {head.projection_bias}"
        )
    entries, width = weights.of_file(path), encoder.hidden_size
    before = [weights.of_file(one)[projection.weight] for one in projection.paths[:-1]]
    for one in before:
        if len(one.shape) != 2 or one.shape[1] != width:
            raise ValueError(
                f"{one.file}: {projection.weight} must take vectors of {width}, got the "
                f"shape {one.shape}"
            )
        width = one.shape[0]
    shapes = {projection.weight: (head.projection, width)}
    if projection.bias is not None:
        shapes[projection.bias] = (head.projection,)
    for name, wanted in shapes.items():
        found = entries[name].shape if name in entries else None
        if found != wanted:
            raise ValueError(
                f"{path}: {name} must have the shape {wanted}, got {found}"
            )
    weight = weights.read(entries[projection.weight])
    for one in reversed(before):
        product = weight.astype(np.float64) @ weights.read(one).astype(np.float64)
        weight = product.astype(np.float32)
    made = {"kernel": jnp.asarray(weight.T, jnp.float32)}
    if projection.bias is not None:
        bias = weights.read(entries[projection.bias])
        return made | {"bias": jnp.asarray(bias, jnp.float32)}
    # `save` writes the identity for a head without projection.
    width = encoder.hidden_size
    if head.projection == width and np.array_equal(weight, np.eye(width)):
        return None
    return made


def _write_json(path: Path, content: Any) -> None:  # noqa: ANN401
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _plain_card(license: str | None) -> str:  # noqa: A002
    stated = f"license: {license}\n" if license else ""
    return f"---\n{stated}tags:\n- optical-jax\n---\n"
