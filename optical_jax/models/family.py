"""What an encoder family is: a config, a module, and the names of its tensors elsewhere.

Each family is a file of its own that ends in a `Family`; `models.families` lists them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from flax import nnx

Path = tuple[str | int, ...]
# Every family has its word embedding here, and layer i at ("layers", i), so that freezing,
# rates by path and vocabulary transplants need not ask which family it is.
WORD: Path = ("embeddings", "word", "embedding")


@runtime_checkable
class EncoderConfig(Protocol):
    """A family's frozen dataclass; field names are those of its config.json."""

    model_type: str
    vocab_size: int

    @property
    def hidden_size(self) -> int:
        """Width of the hidden states."""

    @property
    def num_hidden_layers(self) -> int:
        """Number of layers."""

    @property
    def max_length(self) -> int:
        """The longest input in tokens."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of a checkpoint: parameters of ours, one after the other.

    Attributes:
        paths: of our parameters; several if the checkpoint fuses them along its first axis.
        transposed: a torch Linear keeps [out, in], a kernel is [in, out].
    """

    paths: tuple[Path, ...]
    transposed: bool = False


KeyTable = dict[str, Tensor]


def linear(theirs: str, *paths: Path, bias: bool = False) -> KeyTable:
    """Return the entries of a Linear, or of several that a checkpoint fuses into one."""
    kernels = tuple((*path, "kernel") for path in paths)
    table = {f"{theirs}.weight": Tensor(kernels, transposed=True)}
    if bias:
        table[f"{theirs}.bias"] = Tensor(tuple((*path, "bias") for path in paths))
    return table


def norm(theirs: str, path: Path, *, bias: bool = False) -> KeyTable:
    """Return the entries of a LayerNorm or RMSNorm."""
    table = {f"{theirs}.weight": Tensor(((*path, "scale"),))}
    if bias:
        table[f"{theirs}.bias"] = Tensor(((*path, "bias"),))
    return table


def embedding(theirs: str, path: Path) -> KeyTable:
    """Return the entry of an embedding table."""
    return {f"{theirs}.weight": Tensor(((*path, "embedding"),))}


@dataclass(frozen=True, kw_only=True)
class Family:
    """One encoder family.

    Attributes:
        config: its frozen dataclass.
        module: (config, *, dropout, dtype, rngs) -> nnx module, see `models.encoder`.
        key_table: config -> {tensor name in a checkpoint: where it goes}.
        architecture: transformers' class, as config.json names it.
        prefixes: names of tensors may start with these, in this order, or not.
        unused: starts of names, prefixes removed, of tensors that retrieval never uses.
        aliases: other names of tensors that a checkpoint may hold instead, or twice.
        spellings: (old, new) parts of names.
        accepted: {field of config.json: the values of it that the module computes}.
        read_fields: config.json to fields of the config, where spellings differ.
        write_fields: fields of config.json beside those of the config, or instead of them.
        unwritten: fields of the config that its config.json has not.
    """

    config: type
    module: type[nnx.Module]
    key_table: Callable[[Any], KeyTable]
    architecture: str
    prefixes: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    spellings: tuple[tuple[str, str], ...] = ()
    accepted: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    read_fields: Callable[[dict[str, Any]], dict[str, Any]] = dict
    write_fields: Callable[[Any], dict[str, Any]] = lambda config: {}
    unwritten: tuple[str, ...] = ()
