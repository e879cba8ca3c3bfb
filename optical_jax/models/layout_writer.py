"""The JSON files of a retriever folder for a head; `models.layout` reads them back.

Multi-vector: PyLate's layout with the module type names of sentence-transformers before 6,
so that one folder opens in PyLate 1.6 and in sentence-transformers 6; folders with the
newer names do not open in PyLate. Single-vector: the layout of sentence-transformers.
"""

from typing import Any

from optical_jax.models import layout
from optical_jax.models.head import HeadConfig

_TYPES = "sentence_transformers.models."


def files(head: HeadConfig, *, width: int) -> dict[str, Any]:
    """Return {file name: JSON content} for a head over an encoder of this width.

    Every Dense named here needs its `model.safetensors` beside its `config.json`. A
    multi-vector head without projection gets one all the same, which the caller fills
    with the identity: PyLate adds a random projection where it finds none.

    Raises:
        ValueError: if the layout cannot express the head.
    """
    if head.kind == "multi-vector":
        return _multi_vector_files(head, width)
    return _single_vector_files(head, width)


def dense_folder(head: HeadConfig) -> str | None:
    """Return where `files` puts the projection's weights, if anywhere."""
    if head.kind == "multi-vector":
        return "1_Dense"
    return None if head.projection is None else "2_Dense"


def _multi_vector_files(head: HeadConfig, width: int) -> dict[str, Any]:
    return {
        layout.MODULES: _module_list(
            ("", _TYPES + "Transformer"), ("1_Dense", "pylate.models.Dense.Dense")
        ),
        layout.SETTINGS: {
            "model_type": "ColBERT",
            # Empty: the markers below are inserted as ids, not put before the text.
            "prompts": {"query": "", "document": ""},
            "default_prompt_name": None,
            "similarity_fn_name": "MaxSim",
            "query_prefix": head.query_marker or "",
            "document_prefix": head.document_marker or "",
            "query_length": head.query_length,
            "document_length": head.document_length,
            "do_query_expansion": head.expansion,
            "attend_to_expansion_tokens": head.attend_to_expansion,
            "skiplist_words": list(head.skiplist),
        },
        layout.TRANSFORMER_SETTINGS: _transformer_settings(head),
        "1_Dense/config.json": _dense_settings(width, head.projection or width),
    }


def _single_vector_files(head: HeadConfig, width: int) -> dict[str, Any]:
    if head.query_marker or head.document_marker:
        raise ValueError(
            "a single-vector folder cannot hold markers, got head.query_marker="
            f"{head.query_marker!r} and head.document_marker={head.document_marker!r}; "
            "write the multi-vector layout instead"
        )
    modules = [("", _TYPES + "Transformer"), ("1_Pooling", _TYPES + "Pooling")]
    written: dict[str, Any] = {
        "1_Pooling/config.json": {
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": head.pooling == "cls",
            "pooling_mode_mean_tokens": head.pooling == "mean",
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
            "pooling_mode_weightedmean_tokens": False,
            "pooling_mode_lasttoken": head.pooling == "last",
            "include_prompt": True,
        },
        layout.SETTINGS: {
            "model_type": "SentenceTransformer",
            "prompts": {"query": "", "document": ""},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
            # Ours: sentence-transformers has one length, max_seq_length.
            "query_length": head.query_length,
            "document_length": head.document_length,
        },
        layout.TRANSFORMER_SETTINGS: _transformer_settings(head),
    }
    if head.projection is not None:
        modules.append(("2_Dense", _TYPES + "Dense"))
        written["2_Dense/config.json"] = _dense_settings(width, head.projection)
    modules.append((f"{len(modules)}_Normalize", _TYPES + "Normalize"))
    return {layout.MODULES: _module_list(*modules), **written}


def _transformer_settings(head: HeadConfig) -> dict[str, Any]:
    length = max(head.query_length, head.document_length)
    return {"max_seq_length": length, "do_lower_case": False}


def _module_list(*modules: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"idx": i, "name": str(i), "path": path, "type": kind}
        for i, (path, kind) in enumerate(modules)
    ]


def _dense_settings(width: int, projection: int) -> dict[str, Any]:
    return {
        "in_features": width,
        "out_features": projection,
        "bias": False,
        "activation_function": layout.IDENTITY,
    }
