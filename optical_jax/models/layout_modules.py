"""Folders with a modules.json: PyLate's, and those of sentence-transformers before and from 6.

PyLate 1.6 keeps a head's settings in config_sentence_transformers.json; `layout_newer` knows
where sentence-transformers 6 does. Types are told by the last part of their name:
`sentence_transformers.models.Transformer` became
`sentence_transformers.base.modules.transformer.Transformer`.
"""

import string
from pathlib import Path
from typing import Any, NamedTuple

import tokenizers

from optical_jax.models import layout, layout_newer
from optical_jax.models.head import HeadConfig
from optical_jax.models.layout import Layout, Projection, read_json


class _Module(NamedTuple):
    kind: str
    folder: Path


def read(folder: Path, tokenizer: tokenizers.Tokenizer) -> Layout:
    """Read the layout; see `layout_reader.read`."""
    modules = _modules(folder)
    settings = read_json(folder / layout.SETTINGS, {})
    transformer = read_json(folder / layout.TRANSFORMER_SETTINGS, {})
    kinds = [module.kind for module in modules]
    of_kind = {module.kind: module.folder for module in modules}
    projection: dict[str, Any] = {}
    if "Dense" in kinds:
        found = find_projection(folder)
        last = _dense(found.paths[-1].parent)
        projection = {
            "projection": last["out_features"],
            "projection_bias": found.bias is not None,
        }
    if "Pooling" in kinds:
        head = _single_vector(folder, kinds, settings, transformer, projection)
    elif "MultiVectorMask" in kinds:
        head = layout_newer.read_head(
            folder, of_kind, settings, transformer, tokenizer, projection
        )
    else:
        head = _pylate(folder, kinds, settings, projection)
    return Layout(
        head=head,
        projection=find_projection(folder),
        lowercase=bool(transformer.get("do_lower_case", False)),
    )


def find_projection(folder: Path) -> Projection | None:
    """Return the folder's projection, if it says it has one."""
    if not (folder / layout.MODULES).is_file():
        return None
    dense = [module.folder for module in _modules(folder) if module.kind == "Dense"]
    if not dense:
        return None
    biased = [_dense(path).get("bias", True) for path in dense]
    if len(dense) > 1 and any(biased):
        raise ValueError(
            f"{folder / layout.MODULES}: several Dense modules are read where none has a "
            f"bias, got bias={biased}; merge them into one linear layer"
        )
    return Projection(
        paths=tuple(path / "model.safetensors" for path in dense),
        bias="linear.bias" if biased[0] else None,
    )


def _pylate(
    folder: Path, kinds: list[str], settings: dict[str, Any], projection: dict[str, Any]
) -> HeadConfig:
    kind = settings.get("model_type", "ColBERT")
    if kinds != ["Transformer", "Dense"] or kind != "ColBERT":
        raise ValueError(
            f"{folder / layout.MODULES}: a multi-vector folder must have the modules "
            f"Transformer, Dense and model_type 'ColBERT' (PyLate), or Transformer, at most "
            "one Dense, MultiVectorMask, Normalize (sentence-transformers 6), got "
            f"{', '.join(kinds)} and {kind!r}; open it in its own library and save it in "
            "one of these"
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
        **projection,
    )


def _single_vector(
    folder: Path,
    kinds: list[str],
    settings: dict[str, Any],
    transformer: dict[str, Any],
    projection: dict[str, Any],
) -> HeadConfig:
    known = ["Transformer", "Pooling", "Normalize"]
    if "Normalize" not in kinds:
        raise ValueError(
            f"{folder / layout.MODULES}: a single-vector folder must end in Normalize, got "
            f"{', '.join(kinds)}; its vectors are not unit vectors and ours are: pass "
            "a head to use it normalised"
        )
    if [kind for kind in kinds if kind != "Dense"] != known:
        raise ValueError(
            f"{folder / layout.MODULES}: a single-vector folder must have the modules "
            f"Transformer, Pooling, Dense modules or none, Normalize, got "
            f"{', '.join(kinds)}"
        )
    length = transformer.get("max_seq_length") or layout.tokenizer_length(folder)
    pooling = next(m.folder for m in _modules(folder) if m.kind == "Pooling")
    pooling /= "config.json"
    prompts = _prompts(settings)
    if any(prompts.values()) and not read_json(pooling).get("include_prompt", True):
        raise ValueError(
            f"{pooling}: include_prompt must be true where there are prompts, got false; "
            "prompts are pooled with their texts here: pass a head to use the folder "
            "without them"
        )
    return HeadConfig(
        kind="single-vector",
        pooling=_pooling(pooling),
        **prompts,
        query_length=settings.get("query_length", length),
        document_length=settings.get("document_length", length),
        **projection,
    )


def _prompts(settings: dict[str, Any]) -> dict[str, str]:
    """Return what sentence-transformers puts before a text where no prompt is asked for.

    That is what the first of these names has, else what default_prompt_name has.
    """
    prompts = settings.get("prompts") or {}
    default = prompts.get(settings.get("default_prompt_name")) or ""
    names = {
        "query_prompt": ("query",),
        "document_prompt": ("document", "passage", "corpus"),
    }
    return {
        field: next((prompts[name] for name in of if name in prompts), default) or ""
        for field, of in names.items()
    }


def _pooling(path: Path) -> str:
    fields = read_json(path)
    on = [
        name.removeprefix("pooling_mode_")
        for name, value in fields.items()
        if name.startswith("pooling_mode_") and value is True
    ]
    mode = fields.get("pooling_mode")
    on += [layout.POOLINGS.get(mode, mode)] if mode else []
    for ours, theirs in layout.POOLINGS.items():
        if on == [theirs]:
            return ours
    raise ValueError(
        f"{path}: the pooling must be one of {sorted(layout.POOLINGS)}, got "
        f"{', '.join(on) or 'none'}"
    )


def _dense(dense: Path) -> dict[str, Any]:
    fields = read_json(dense / "config.json")
    wrong = [
        f"{name} must be {wanted!r}, got {fields[name]!r}"
        for name, wanted in (
            ("activation_function", layout.IDENTITY),
            ("use_residual", False),
        )
        if fields.get(name, wanted) != wanted
    ]
    if wrong:
        raise ValueError(
            f"{dense / 'config.json'}: the projection must be linear: "
            + "; ".join(wrong)
        )
    return fields


def _modules(folder: Path) -> list[_Module]:
    path = folder / layout.MODULES
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no {layout.MODULES}, which says how tokens become vectors; copy "
            "the folder whole, or, if it is a plain encoder, pass a head"
        )
    listed = read_json(path)
    modules = [
        _Module(m["type"].rsplit(".", 1)[-1], folder / m["path"]) for m in listed
    ]
    if not modules or modules[0].kind != "Transformer" or listed[0]["path"]:
        raise ValueError(
            f"{path}: the first module must be a Transformer in the folder itself, "
            f"got {[(m['type'], m['path']) for m in listed[:1]]}"
        )
    return modules
