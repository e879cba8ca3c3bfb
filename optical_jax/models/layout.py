"""What a retriever folder says of its head, whatever the layout; and the files' names.

`models.layout_reader` finds out which layout a folder has and reads it; `layout_modules`,
`layout_stanford` and `layout_bge_m3` know one each; `layout_writer` and `stanford_writer`
write. None of them but the last touches weights or tokenizers; `models.folder` does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optical_jax.data import jsontext
from optical_jax.models.head import HeadConfig

MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
TRANSFORMER_SETTINGS = "sentence_bert_config.json"
STANFORD_SETTINGS = "artifact.metadata"
STANFORD_ARCHITECTURE = "HF_ColBERT"
BGE_HEAD = "colbert_linear"
IDENTITY = "torch.nn.modules.linear.Identity"
POOLINGS = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
# What sentence-transformers writes for a folder that states no length of its own.
_DEFAULT_LENGTH = 512


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Where a projection lies: a safetensors file, and the names of its tensors there.

    Several files are linear layers one after the other, which one product replaces.
    """

    paths: tuple[Path, ...]
    weight: str = "linear.weight"
    bias: str | None = None


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A head as a folder describes it, and where its projection lies, if it has one."""

    head: HeadConfig
    projection: Projection | None = None
    # sentence-transformers then lowercases a text before the tokenizer sees it.
    lowercase: bool = False


def tokenizer_length(folder: Path) -> int:
    """Return the length that a tokenizer cuts texts to, as its config states it."""
    # Files without a limit state it as 1e30.
    stated = read_json(folder / "tokenizer_config.json", {}).get("model_max_length")
    return int(stated) if stated and stated < 1e6 else _DEFAULT_LENGTH


def read_json(path: Path, default: Any = None) -> Any:  # noqa: ANN401
    """Read a JSON file.

    Raises:
        FileNotFoundError: if it is missing and there is no default.
        ValueError: if it is no JSON.
    """
    if not path.is_file():
        if default is not None:
            return default
        raise FileNotFoundError(f"{path} is missing; copy the folder whole")
    try:
        return jsontext.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error
