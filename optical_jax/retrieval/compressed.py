"""How an index keeps its vectors: as they are, in int8, or in a few bits a number (`residual`).

    float32 float16   4 or 2 bytes a number
    int8              a byte a number, and 4 bytes a vector for its largest number
    residual-N        N bits a number, and 2 bytes a vector for its centroid (`codebook`)

What is unpacked is what is searched. How much of the ranking that keeps is for the user to
measure: `python -m benchmarks.maxsim --parts storage` prints it for made-up vectors,
`evaluate --vectors` measures it with judgments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int8

from optical_jax.retrieval import residual

Storage = Literal[
    "float32", "float16", "int8", "residual-4", "residual-2", "residual-1"
]
# What centroids are numbered in.
MOST_CENTROIDS = 1 << 16
_LARGEST = 127
_CODEC = ("centroids", "cutoffs", "weights")


def bits(storage: Storage) -> int | None:
    """Return the bits of a residual's numbers; None where there are no residuals."""
    kind, _, number = storage.partition("-")
    return int(number) if kind == "residual" else None


def names(storage: Storage) -> tuple[str, ...]:
    """Return the names of the arrays that hold vectors, each with a row for each."""
    if bits(storage):
        return ("codes", "residuals")
    return ("steps", "scales") if storage == "int8" else ("vectors",)


def check(storage: str, width: int) -> None:
    """Refuse a storage that there is not, or that does not fit the vectors' width.

    Raises:
        ValueError: saying which it must be.
    """
    if storage not in get_args(Storage):
        raise ValueError(
            f"vectors must be kept as one of {', '.join(get_args(Storage))}, got "
            f"{storage!r}"
        )
    if bits(storage):
        residual.check(width, bits(storage))


def pack(
    vectors: Float[np.ndarray, "n d"],
    storage: Storage,
    codec: residual.Codec | None = None,
) -> dict[str, np.ndarray]:
    """Return the arrays, by `names`, that hold vectors; residuals are those of the codec."""
    if codec is not None:
        codes, residuals = residual.compress(vectors, codec)
        return {"codes": codes.astype(np.uint16), "residuals": residuals}
    if storage == "int8":
        steps, scales = quantized(vectors.astype(np.float32))
        return {"steps": steps, "scales": scales}
    return {"vectors": np.asarray(vectors, storage)}


@dataclass(frozen=True)
class Packed:
    """Vectors that are unpacked, in float32, where they are asked for.

    Attributes:
        arrays: by `names`; arrays, or rows in files.
        codec: of residuals; None: there are none.
        where: names what holds them, in errors.
    """

    arrays: Mapping[str, Any]
    codec: residual.Codec | None
    where: str

    @property
    def shape(self) -> tuple[int, int]:
        """Number of vectors, and their width."""
        if self.codec is not None:
            return len(self), self.codec.centroids.shape[1]
        return self.arrays["steps"].shape

    @property
    def dtype(self) -> np.dtype:
        """What is returned."""
        return np.dtype(np.float32)

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, key: slice | np.ndarray) -> np.ndarray:
        """Return some vectors.

        Raises:
            ValueError: naming what holds them, if they have a centroid that is not there.
        """
        found = {name: np.asarray(rows[key]) for name, rows in self.arrays.items()}
        if self.codec is None:
            return found["steps"] * found["scales"][:, None]
        codes, most = found["codes"], len(self.codec.centroids)
        if len(codes) and codes.max() >= most:
            raise ValueError(
                f"{self.where} is damaged: a vector has centroid {codes.max()} of {most}; "
                "delete it and it is built again"
            )
        return residual.decompress(
            codes.astype(np.int32), found["residuals"], self.codec
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:  # noqa: ANN401
        return np.asarray(self[:], dtype)


def unpacked(
    arrays: Mapping[str, Any], codec: residual.Codec | None, *, where: str
) -> Any:  # noqa: ANN401
    """Return the vectors that arrays hold: these themselves, or what unpacks them."""
    return arrays["vectors"] if "vectors" in arrays else Packed(arrays, codec, where)


def quantized(
    rows: Float[np.ndarray, "n d"],
) -> tuple[Int8[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """Round vectors to 255 steps of their largest number; return the steps and their sizes."""
    scales = np.abs(rows).max(axis=1) / _LARGEST
    steps = np.rint(rows / np.where(scales > 0, scales, 1)[:, None])
    return steps.astype(np.int8), scales.astype(np.float32)


def write_codec(codec: residual.Codec, folder: Path) -> None:
    """Write what unpacking needs of a codec into a folder, as .npy files."""
    for name in _CODEC:
        np.save(folder / f"{name}.npy", getattr(codec, name))


def read_codec(folder: Path) -> residual.Codec:
    """Read what `write_codec` wrote.

    Raises:
        ValueError: if it is damaged.
    """
    try:
        found = {
            name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _CODEC
        }
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(
            f"the centroids in {folder} are damaged ({error}); delete {folder.parent} and "
            "it is built again"
        ) from error
    # Average and threshold serve those who add vectors to an index; nothing here does.
    return residual.Codec(**found, average=np.zeros(0, np.float32), threshold=0.0)
