"""BGE-M3's head for token vectors, which lies beside its sentence-transformers folder.

Chen et al. 2024 (arXiv 2402.03216). FlagEmbedding keeps it as `colbert_linear.pt`, a pickle;
its vectors are those of all tokens but the first one, with a bias in the projection, for
queries and documents alike, without markers, expansion or skip list.
"""

from pathlib import Path

from optical_jax.models import layout, weights
from optical_jax.models.head import HeadConfig
from optical_jax.models.layout import Layout, Projection

_FILE = f"{layout.BGE_HEAD}.safetensors"
_PICKLE = f"{layout.BGE_HEAD}.pt"
# Of queries and documents: questions are short, and the encoder takes texts of 8192 tokens.
_LENGTHS = (512, 8192)


def has_head(folder: Path) -> bool:
    """Tell whether the head lies in the folder as safetensors."""
    return (folder / _FILE).is_file()


def refuse_pickle(folder: Path) -> None:
    """Raise a ValueError if the head lies in the folder as a pickle alone."""
    if has_head(folder) or not (folder / _PICKLE).is_file():
        return
    raise ValueError(
        f"{folder / _PICKLE} is a pickle, which is never loaded: unpickling runs code; "
        "where torch is installed, convert it once by `import torch, "
        f"safetensors.torch as s; s.save_file(torch.load('{_PICKLE}', "
        f"weights_only=True), '{_FILE}')`, in the folder, and load it again"
    )


def read(folder: Path) -> Layout:
    """Read the head; see `layout_reader.read`."""
    projection = find_projection(folder)
    longest = layout.tokenizer_length(folder)
    query_length, document_length = (min(n, longest) for n in _LENGTHS)
    return Layout(
        head=HeadConfig(
            projection=weights.of_file(projection.paths[0])["weight"].shape[0],
            projection_bias=projection.bias is not None,
            query_length=query_length,
            document_length=document_length,
            skip_first=True,
        ),
        projection=projection,
    )


def find_projection(folder: Path) -> Projection:
    """Return where the projection lies.

    Raises:
        ValueError: if the file has other tensors than `weight` and `bias`.
    """
    found = weights.of_file(folder / _FILE)
    if "weight" not in found or not found.keys() <= {"weight", "bias"}:
        raise ValueError(
            f"{folder / _FILE} must hold the tensors weight and bias, got "
            f"{', '.join(found) or 'none'}; convert {_PICKLE} as it is"
        )
    bias = "bias" if "bias" in found else None
    return Projection(paths=(folder / _FILE,), weight="weight", bias=bias)
