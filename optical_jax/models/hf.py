"""Hugging Face encoder folders: config.json and safetensors to our parameters and back.

One table maps tensor names both ways. Only safetensors are read: a `.bin` is a pickle, and
unpickling a download runs its code.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

from optical_jax.models import bert, retriever
from optical_jax.models.head import HeadConfig

_EMBEDDINGS = {
    "embeddings.word_embeddings.weight": ("embeddings", "word", "embedding"),
    "embeddings.position_embeddings.weight": ("embeddings", "position", "embedding"),
    "embeddings.token_type_embeddings.weight": (
        "embeddings",
        "token_type",
        "embedding",
    ),
    "embeddings.LayerNorm.weight": ("embeddings", "norm", "scale"),
    "embeddings.LayerNorm.bias": ("embeddings", "norm", "bias"),
}
_LINEAR = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "out",
    "intermediate.dense": "up",
    "output.dense": "down",
}
_NORM = {
    "attention.output.LayerNorm": "attention_norm",
    "output.LayerNorm": "output_norm",
}
_CONFIG_FIELDS = tuple(bert.BertConfig.__dataclass_fields__)
# What encoder checkpoints carry beside the encoder and retrieval never uses.
_UNUSED = ("pooler.", "cls.", "lm_head.", "embeddings.position_ids", "linear.")
_ALLOW_PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model", "README.md"]

Path_ = tuple[str | int, ...]


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


def read_config(folder: Path) -> bert.BertConfig:
    """Read an encoder's config.json.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the family is not known or a field is missing.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no config.json; an encoder folder holds config.json, "
            "model.safetensors and tokenizer.json"
        )
    fields = json.loads(path.read_text(encoding="utf-8"))
    family = fields.get("model_type")
    known = ("bert", "xlm-roberta")
    if family not in known:
        raise ValueError(f"{path}: model_type must be one of {known}, got {family!r}")
    if fields.get("position_embedding_type", "absolute") != "absolute":
        raise ValueError(
            f"{path}: position_embedding_type must be 'absolute', "
            f"got {fields['position_embedding_type']!r}"
        )
    given = {k: fields[k] for k in _CONFIG_FIELDS if fields.get(k) is not None}
    try:
        return bert.BertConfig(**given)
    except TypeError as error:
        raise ValueError(f"{path} is no encoder's config: {error}") from error


def config_fields(config: bert.BertConfig) -> dict[str, Any]:
    """Return the content of a config.json that transformers reads as this encoder."""
    architecture = "BertModel" if config.model_type == "bert" else "XLMRobertaModel"
    fields = {name: getattr(config, name) for name in _CONFIG_FIELDS}
    return {"architectures": [architecture], **fields, "dtype": "float32"}


def key_table(config: bert.BertConfig) -> dict[str, tuple[Path_, bool]]:
    """Return {tensor name: (path of our parameter, whether it is transposed)}."""
    table = {name: (path, False) for name, path in _EMBEDDINGS.items()}
    for i in range(config.num_hidden_layers):
        for theirs, ours in _LINEAR.items():
            name, path = f"encoder.layer.{i}.{theirs}", ("layers", i, ours)
            table[f"{name}.weight"] = ((*path, "kernel"), True)
            table[f"{name}.bias"] = ((*path, "bias"), False)
        for theirs, ours in _NORM.items():
            name, path = f"encoder.layer.{i}.{theirs}", ("layers", i, ours)
            table[f"{name}.weight"] = ((*path, "scale"), False)
            table[f"{name}.bias"] = ((*path, "bias"), False)
    return table


def read_params(folder: Path, config: bert.BertConfig) -> nnx.State:
    """Read the encoder's parameters as float32; prefixes and old spellings accepted.

    Raises:
        FileNotFoundError: if there are no safetensors (a `.bin` alone is refused).
        ValueError: naming every missing, unexpected and misshapen tensor at once.
    """
    abstract = retriever.abstract_params(config, HeadConfig())
    flat = dict(nnx.to_flat_state(abstract["encoder"]))
    table = key_table(config)
    values, problems = {}, []
    for raw, tensor in _tensors(folder):
        name = _canonical(raw)
        if name.startswith(_UNUSED):
            continue
        if name not in table:
            problems.append(f"unexpected {raw}")
            continue
        path, transposed = table[name]
        array = tensor.T if transposed else tensor
        if array.shape != flat[path].shape:
            problems.append(
                f"{raw} has shape {tensor.shape}, config.json wants "
                f"{flat[path].shape[::-1] if transposed else flat[path].shape}"
            )
            continue
        values[path] = jnp.asarray(array, jnp.float32)
    missing = [name for name, (path, _) in table.items() if path not in values]
    misshapen = {p.split(" ")[0] for p in problems}
    problems += [f"missing {n}" for n in missing if n not in misshapen]
    if problems:
        raise ValueError(
            f"{folder}: the weights do not fit config.json: " + "; ".join(problems)
        )
    return nnx.from_flat_state(
        {path: leaf.replace(values[path]) for path, leaf in flat.items()}
    )


def write_params(params: nnx.State, config: bert.BertConfig, path: Path) -> None:
    """Write the encoder's parameters as one safetensors file with transformers' names."""
    flat = {p: np.asarray(v[...]) for p, v in nnx.to_flat_state(params)}
    tensors = {
        name: np.ascontiguousarray(flat[ours].T if transposed else flat[ours])
        for name, (ours, transposed) in key_table(config).items()
    }
    safetensors.numpy.save_file(tensors, path, metadata={"format": "pt"})


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read one safetensors file whole.

    Raises:
        ValueError: if the file is truncated or not safetensors.
    """
    try:
        return safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{path} is truncated or no safetensors file ({error}); copy it again"
        ) from error


def _tensors(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    for path in _weight_files(folder):
        yield from read_tensors(path).items()


def _weight_files(folder: Path) -> list[Path]:
    single, index = (
        folder / "model.safetensors",
        folder / "model.safetensors.index.json",
    )
    if single.is_file():
        return [single]
    if index.is_file():
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return [folder / Path(name).name for name in sorted(set(names))]
    if list(folder.glob("*.bin")):
        raise FileNotFoundError(
            f"{folder} has its weights as .bin only, a pickle, which is never loaded; "
            "convert it to model.safetensors first (transformers: "
            "from_pretrained(...).save_pretrained(...) on a machine with torch)"
        )
    raise FileNotFoundError(f"{folder} has no model.safetensors")


def _canonical(name: str) -> str:
    for prefix in ("model.", "bert.", "roberta."):
        name = name.removeprefix(prefix)
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )
