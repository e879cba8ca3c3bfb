"""Hugging Face encoder folders: config.json and safetensors to our parameters and back.

`models.families` says which tensors a family has; here they are checked, all of them before
any is read, and streamed into place one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Sharding, SingleDeviceSharding
from jax.typing import DTypeLike

from optical_jax.data import jsontext
from optical_jax.models import families, retriever, weights
from optical_jax.models import family as family_lib
from optical_jax.models.families import EncoderConfig
from optical_jax.models.head import HeadConfig

_ALLOW_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model", "README.md"]
# Heads of other tasks, of any family, that retrieval never uses.
_UNUSED = ("linear.", "lm_head.", "classifier.", "score.")


def resolve(path: str | Path) -> Path:
    """Return the local folder of a path or, failing that, of a Hugging Face hub id.

    Raises:
        FileNotFoundError: if it is neither a folder nor a reachable hub id.
    """
    folder = Path(path)
    if folder.is_dir():
        return folder
    if folder.is_absolute() or str(path).count("/") != 1 or str(path).startswith("."):
        raise FileNotFoundError(
            f"no encoder folder at {str(path)!r}; give a folder with config.json, "
            "model.safetensors and tokenizer.json, or a hub id as OWNER/NAME"
        )
    try:
        found = huggingface_hub.snapshot_download(
            str(path), allow_patterns=_ALLOW_PATTERNS
        )
    except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError) as error:
        raise FileNotFoundError(
            f"{str(path)!r} is no folder here and the hub did not give it: {error}"
        ) from error
    return Path(found)


def read_config(folder: Path) -> EncoderConfig:
    """Read an encoder's config.json.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the family is not known, a field is missing, or one asks for what
            is not computed here.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no config.json; an encoder folder holds config.json, "
            "model.safetensors and tokenizer.json"
        )
    try:
        return families.parse(jsontext.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


@dataclass(frozen=True)
class _Source:
    """Where one of our parameters lies: rows from `start` on of a tensor [out, ...]."""

    entry: weights.Entry
    start: int
    transposed: bool

    def read(self, index: tuple[slice, ...], shape: tuple[int, ...]) -> np.ndarray:
        """Read our parameter[index], of this shape."""
        bounds = [s.indices(n)[:2] for s, n in zip(index, shape, strict=True)]
        if self.transposed:
            bounds = bounds[::-1]
        (begin, end), *rest = bounds
        parts = [(begin + self.start, end + self.start), *rest]
        part = weights.read(self.entry, tuple(slice(*p) for p in parts))
        return part.T if self.transposed else part


def read_params(
    folder: Path,
    config: EncoderConfig,
    *,
    dtype: DTypeLike | None = jnp.float32,
    shardings: Any = None,  # noqa: ANN401 - a pytree
) -> nnx.State:
    """Read the encoder's parameters; prefixes and old spellings of names accepted.

    Tensors go one by one, the largest first, from the files to their devices; the host
    holds one at a time, and of that only what its own devices keep.

    Args:
        folder: with model.safetensors, or several files and their index.
        config: of the same folder.
        dtype: of the parameters; None keeps that of each tensor in the files.
        shardings: a tree like the encoder's parameters; None: all on the first device.

    Raises:
        FileNotFoundError: if there are no safetensors (a `.bin` alone is refused).
        ValueError: naming every missing, unexpected and misshapen tensor at once.
    """
    abstract = abstract_params(config)
    sources = _find(folder, config, {p: leaf.shape for p, leaf in abstract.items()})
    placed = dict.fromkeys(abstract, SingleDeviceSharding(jax.local_devices()[0]))
    if shardings is not None:
        flat = nnx.to_flat_state(shardings)
        placed = {path: jax.tree.leaves(leaf)[0] for path, leaf in flat}
    values = {}
    for path in sorted(abstract, key=lambda p: -np.prod(abstract[p].shape)):
        shape = abstract[path].shape
        values[path] = _place(sources[path], shape, placed[path], dtype)
    return nnx.from_flat_state(
        {path: leaf.replace(values[path]) for path, leaf in abstract.items()}
    )


def abstract_params(config: EncoderConfig) -> dict[family_lib.Path, nnx.Variable]:
    """Return shape and logical axes of every parameter of the encoder, by path."""
    abstract = retriever.abstract_params(config, HeadConfig())
    return dict(nnx.to_flat_state(abstract["encoder"]))


def _place(
    source: _Source, shape: tuple[int, ...], sharding: Sharding, dtype: Any
) -> jax.Array:
    parts: dict[tuple, np.ndarray] = {}

    def part(index: tuple[slice, ...]) -> np.ndarray:
        # Devices that hold the same part are served by one read.
        key = tuple(s.indices(n)[:2] for s, n in zip(index, shape, strict=True))
        if key not in parts:
            read = source.read(index, shape)
            parts[key] = read if dtype is None else read.astype(dtype, copy=False)
        return parts[key]

    return jax.make_array_from_callback(shape, sharding, part)


def _find(
    folder: Path,
    config: EncoderConfig,
    shapes: dict[family_lib.Path, tuple[int, ...]],
) -> dict[family_lib.Path, _Source]:
    """Find every parameter in the files."""
    found, problems = find_tensors(folder, config)
    sources = {}
    for name, tensor in families.key_table(config).items():
        if name not in found:
            problems.append(f"missing {name}")
            continue
        entry = found[name]
        wanted = their_shape(tensor, shapes)
        if entry.shape != wanted:
            problems.append(
                f"{entry.name} has shape {entry.shape}, config.json wants {wanted}"
            )
            continue
        start = 0
        for path in tensor.paths:
            sources[path] = _Source(entry, start, tensor.transposed)
            start += shapes[path][-1 if tensor.transposed else 0]
    if problems:
        raise ValueError(
            f"{folder}: the weights do not fit config.json: " + "; ".join(problems)
        )
    return sources


def their_shape(
    tensor: family_lib.Tensor, shapes: dict[family_lib.Path, tuple[int, ...]]
) -> tuple[int, ...]:
    """Return the shape of a checkpoint's tensor, of the shapes of our parameters."""
    parts = [shapes[p][::-1] if tensor.transposed else shapes[p] for p in tensor.paths]
    return (sum(part[0] for part in parts), *parts[0][1:])


def find_tensors(
    folder: Path, config: EncoderConfig
) -> tuple[dict[str, weights.Entry], list[str]]:
    """Return the encoder's tensors by transformers' names, and what is wrong with others.

    Raises:
        FileNotFoundError: if there are no safetensors.
        ValueError: if a file is truncated or no safetensors.
    """
    family, table = families.of(config), families.key_table(config)
    by_name: dict[str, weights.Entry] = {}
    problems = []
    for raw, entry in weights.entries(folder).items():
        name = canonical(raw, family)
        if name in by_name:
            problems.append(f"{raw} and {by_name[name].name} are the same tensor")
        by_name[name] = entry
    for alias, name in family.aliases.items():
        if alias in by_name:
            by_name.setdefault(name, by_name.pop(alias))
    unused = (*_UNUSED, *family.unused)
    problems += [
        f"unexpected {entry.name}"
        for name, entry in by_name.items()
        if name not in table and not name.startswith(unused)
    ]
    return {name: by_name[name] for name in table if name in by_name}, problems


def canonical(name: str, family: family_lib.Family) -> str:
    """Return a tensor's name without prefixes, spelt as the family's table spells it."""
    for prefix in family.prefixes:
        name = name.removeprefix(prefix)
    for old, new in family.spellings:
        name = name.replace(old, new)
    return name


def write_params(
    params: nnx.State,
    config: EncoderConfig,
    folder: Path,
    *,
    shard_bytes: int = weights.SHARD_BYTES,
) -> None:
    """Write the encoder's parameters as safetensors with transformers' names."""
    flat = {path: leaf[...] for path, leaf in nnx.to_flat_state(params)}
    table = families.key_table(config)
    weights.write(
        folder,
        {name: sum(flat[p].nbytes for p in t.paths) for name, t in table.items()},
        lambda name: _merged(table[name], flat.__getitem__),
        shard_bytes=shard_bytes,
    )


def _merged(
    tensor: family_lib.Tensor, get: Callable[[family_lib.Path], jax.Array]
) -> np.ndarray:
    ours = (np.asarray(get(path)) for path in tensor.paths)
    parts = [part.T if tensor.transposed else part for part in ours]
    return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts))
