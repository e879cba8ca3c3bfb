"""The JSON files of a retriever folder for a head; `models.layout_modules` reads them back.

Multi-vector: PyLate's layout with the module type names of sentence-transformers before 6,
so that one folder opens in PyLate 1.6 and in sentence-transformers 6; folders with the
newer names do not open in PyLate. Single-vector: the layout of sentence-transformers. The
multi-vector layout of sentence-transformers 6 itself holds one more kind of head.
"""

from typing import Any

from optical_jax.models import layout
from optical_jax.models.head import HeadConfig

_TYPES = "sentence_transformers.models."
_NEWER_TYPES = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "MultiVectorMask": (
        "sentence_transformers.multi_vector_encoder.modules.multi_vector_mask."
        "MultiVectorMask"
    ),
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
}


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


def newer_files(head: HeadConfig, *, width: int, first: str) -> dict[str, Any]:
    """Return what `files` does, in the multi-vector layout of sentence-transformers 6.

    Markers are prompts there, which its tokenizer must take for one token each; `first` is
    the token that every text starts with.

    Raises:
        ValueError: if the head is of the other kind, or has both a skip list and
            `skip_first`: the layout has one list of words.
    """
    if head.kind != "multi-vector" or (head.skip_first and head.skiplist):
        raise ValueError(
            "the multi-vector layout of sentence-transformers 6 holds a multi-vector head "
            f"with a skip list or skip_first, got head.kind={head.kind!r}, head.skip_first="
            f"{head.skip_first} and {len(head.skiplist)} words in head.skiplist; use "
            "--format single-vector, or leave one of them out"
        )
    starts = {}
    for field in ("query", "document"):
        marker = getattr(head, f"{field}_marker") or ""
        prompt = getattr(head, f"{field}_prompt")
        if marker and prompt:
            raise ValueError(
                "the multi-vector layout of sentence-transformers 6 holds a marker or a "
                f"prompt, got head.{field}_marker={marker!r} and head.{field}_prompt="
                f"{prompt!r}; leave one of them out"
            )
        starts[field] = marker or prompt
    tokens = {
        "module_input_name": "token_embeddings",
        "module_output_name": "token_embeddings",
    }
    written: dict[str, Any] = {
        "MultiVectorMask": {
            "skiplist_words": [first] if head.skip_first else list(head.skiplist),
            "skiplist_tasks": ["query", "document"]
            if head.skip_first
            else ["document"],
            "keep_only_token_ids": None,
        },
        "Normalize": tokens,
    }
    if head.projection is not None:
        written = {"Dense": _dense_settings(head, width) | tokens, **written}
    modules = [("", _NEWER_TYPES["Transformer"])]
    modules += [
        (f"{i}_{name}", _NEWER_TYPES[name]) for i, name in enumerate(written, 1)
    ]
    places = {name: path for name, (path, _) in zip(written, modules[1:], strict=True)}
    return {
        layout.MODULES: _module_list(*modules),
        layout.SETTINGS: {
            "model_type": "MultiVectorEncoder",
            "prompts": starts,
            "default_prompt_name": None,
            "similarity_fn_name": "MaxSim",
        },
        layout.TRANSFORMER_SETTINGS: _newer_transformer_settings(head),
        **{f"{places[name]}/config.json": fields for name, fields in written.items()},
    }


def _newer_transformer_settings(head: HeadConfig) -> dict[str, Any]:
    fixed = {
        "strategy": "fixed",
        "attend": head.attend_to_expansion,
        "token": None,
        "length": head.query_length,
    }
    lengths = {"document_length": head.document_length}
    if not head.expansion:
        lengths["query_length"] = head.query_length
    return {
        "transformer_task": "feature-extraction",
        "modality_config": {
            "text": {"method": "forward", "method_output_name": "last_hidden_state"}
        },
        "module_output_name": "token_embeddings",
        **lengths,
        "query_expansion": fixed if head.expansion else None,
    }


def _multi_vector_files(head: HeadConfig, width: int) -> dict[str, Any]:
    if head.skip_first:
        raise ValueError(
            "PyLate scores every token of a query, and head.skip_first leaves out the "
            "first; use the layout of sentence-transformers 6 (--format "
            "sentence-transformers-6)"
        )
    if head.query_prompt or head.document_prompt:
        raise ValueError(
            "PyLate's layout holds markers of one token, got head.query_prompt="
            f"{head.query_prompt!r} and head.document_prompt={head.document_prompt!r}; use "
            "--format sentence-transformers-6"
        )
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
        "1_Dense/config.json": _dense_settings(head, width),
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
            "prompts": {
                "query": head.query_prompt,
                "document": head.document_prompt,
            },
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
        written["2_Dense/config.json"] = _dense_settings(head, width)
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


def _dense_settings(head: HeadConfig, width: int) -> dict[str, Any]:
    return {
        "in_features": width,
        "out_features": head.projection or width,
        "bias": head.projection_bias,
        "activation_function": layout.IDENTITY,
    }
