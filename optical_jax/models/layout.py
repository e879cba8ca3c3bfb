"""What a retriever folder's JSON files say of its head: PyLate's and single-vector layout.

Only reading is here; `models.layout_writer` writes. Nothing in either touches weights or
tokenizers; `models.folder` does.
"""

import json
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optical_jax.models.head import HeadConfig

MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
TRANSFORMER_SETTINGS = "sentence_bert_config.json"
IDENTITY = "torch.nn.modules.linear.Identity"
_POOLINGS = {"mean": "mean_tokens", "cls": "cls_token", "last": "lasttoken"}
# What sentence-transformers writes for a folder that states no length of its own.
_DEFAULT_LENGTH = 512


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A head as a folder describes it; projection weights lie in `dense`, if anywhere."""

    head: HeadConfig
    dense: Path | None
    # sentence-transformers then lowercases a text before the tokenizer sees it.
    lowercase: bool


def read(folder: Path) -> Layout:
    """Read the layout of a multi-vector or single-vector retriever folder.

    Raises:
        FileNotFoundError: if modules.json or the settings of a module are missing. Other
            libraries go on without modules.json, with wrong vectors.
        ValueError: if the folder describes a head that this library has not.
    """
    modules = _modules(folder)
    settings = _json(folder / SETTINGS, {})
    transformer = _json(folder / TRANSFORMER_SETTINGS, {})
    names = [name for name, _ in modules]
    dense = [folder / path for name, path in modules if name == "Dense"]
    if "Pooling" in names:
        pooling = next(folder / path for name, path in modules if name == "Pooling")
        head = _single_vector(folder, names, settings, transformer, pooling)
    else:
        head = _multi_vector(folder, names, settings)
    if dense:
        width = _dense_width(dense[0])
        head = HeadConfig(**{**head.__dict__, "projection": width})
    return Layout(
        head=head,
        dense=dense[0] if dense else None,
        lowercase=bool(transformer.get("do_lower_case", False)),
    )


def find_dense(folder: Path) -> Path | None:
    """Return the folder's projection, if it says it has one."""
    if not (folder / MODULES).is_file():
        return None
    paths = [folder / path for name, path in _modules(folder) if name == "Dense"]
    return paths[0] if paths else None


def _multi_vector(
    folder: Path, names: list[str], settings: dict[str, Any]
) -> HeadConfig:
    kind = settings.get("model_type", "ColBERT")
    if names != ["Transformer", "Dense"] or kind != "ColBERT":
        raise ValueError(
            f"{folder / MODULES}: a multi-vector folder must have the modules "
            f"Transformer, Dense and model_type 'ColBERT', got {', '.join(names)} and "
            f"{kind!r}; open it in its own library and save it in PyLate's layout"
        )
    # null means the default, as PyLate reads it; "" means no marker.
    given = {key: value for key, value in settings.items() if value is not None}
    expansion = given.get("do_query_expansion", True)
    return HeadConfig(
        query_length=given.get("query_length", 32),
        document_length=given.get("document_length", 180),
        query_marker=given.get("query_prefix", "[Q] ") or None,
        document_marker=given.get("document_prefix", "[D] ") or None,
        expansion=expansion,
        attend_to_expansion=expansion
        and given.get("attend_to_expansion_tokens", False),
        skiplist=tuple(given.get("skiplist_words", string.punctuation)),
    )


def _single_vector(
    folder: Path,
    names: list[str],
    settings: dict[str, Any],
    transformer: dict[str, Any],
    pooling: Path,
) -> HeadConfig:
    known = ["Transformer", "Pooling", "Normalize"]
    if "Normalize" not in names:
        raise ValueError(
            f"{folder / MODULES}: a single-vector folder must end in Normalize, got "
            f"{', '.join(names)}; its vectors are not unit vectors and ours are: pass "
            "a head to use it normalised"
        )
    if [name for name in names if name != "Dense"] != known or names.count("Dense") > 1:
        raise ValueError(
            f"{folder / MODULES}: a single-vector folder must have the modules "
            f"Transformer, Pooling, at most one Dense, Normalize, got "
            f"{', '.join(names)}"
        )
    prompts = {k: v for k, v in (settings.get("prompts") or {}).items() if v}
    if prompts:
        raise ValueError(
            f"{folder / SETTINGS}: prompts must be empty, got {prompts}; this library "
            "puts no text before a query: pass a head to use the folder without them"
        )
    length = transformer.get("max_seq_length") or _tokenizer_length(folder)
    return HeadConfig(
        kind="single-vector",
        pooling=_pooling(pooling / "config.json"),
        query_length=settings.get("query_length", length),
        document_length=settings.get("document_length", length),
    )


def _pooling(path: Path) -> str:
    fields = _json(path)
    on = [
        name.removeprefix("pooling_mode_")
        for name, value in fields.items()
        if name.startswith("pooling_mode_") and value is True
    ]
    on += [_POOLINGS.get(mode, mode) for mode in [fields.get("pooling_mode")] if mode]
    for ours, theirs in _POOLINGS.items():
        if on == [theirs]:
            return ours
    raise ValueError(
        f"{path}: the pooling must be one of {sorted(_POOLINGS)}, got "
        f"{', '.join(on) or 'none'}"
    )


def _dense_width(dense: Path) -> int:
    fields = _json(dense / "config.json")
    wrong = [
        f"{name} must be {wanted!r}, got {fields[name]!r}"
        for name, wanted in (
            ("bias", False),
            ("activation_function", IDENTITY),
            ("use_residual", False),
        )
        if fields.get(name, wanted) != wanted
    ]
    if wrong:
        raise ValueError(
            f"{dense / 'config.json'}: the projection must be linear without bias: "
            + "; ".join(wrong)
        )
    return fields["out_features"]


def _modules(folder: Path) -> list[tuple[str, str]]:
    path = folder / MODULES
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no {MODULES}, which says how tokens become vectors; copy "
            "the folder whole, or, if it is a plain encoder, pass a head"
        )
    modules = [(m["type"].rsplit(".", 1)[-1], m["path"]) for m in _json(path)]
    if not modules or modules[0] != ("Transformer", ""):
        raise ValueError(
            f"{path}: the first module must be a Transformer in the folder itself, "
            f"got {modules[:1]}"
        )
    return modules


def _tokenizer_length(folder: Path) -> int:
    # Files without a limit state it as 1e30.
    stated = _json(folder / "tokenizer_config.json", {}).get("model_max_length")
    return int(stated) if stated and stated < 1e6 else _DEFAULT_LENGTH


def _json(path: Path, default: Any = None) -> Any:  # noqa: ANN401
    if not path.is_file():
        if default is not None:
            return default
        raise FileNotFoundError(f"{path} is missing; copy the folder whole")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error
