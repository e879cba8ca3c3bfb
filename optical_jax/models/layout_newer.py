"""The multi-vector layout of sentence-transformers 6, read.

A head's settings lie in its modules: the skip list in MultiVectorMask, the expansion in the
Transformer's query_expansion. Markers are prompts of one token, put before the text.
"""

from pathlib import Path
from typing import Any

import tokenizers

from optical_jax.models import layout
from optical_jax.models.head import HeadConfig
from optical_jax.models.layout import read_json


def read_head(
    folder: Path,
    modules: dict[str, Path],
    settings: dict[str, Any],
    transformer: dict[str, Any],
    tokenizer: tokenizers.Tokenizer,
    projection: dict[str, Any],
) -> HeadConfig:
    """Read the head of a folder with these modules; see `layout_reader.read`."""
    if modules.keys() - {"Dense"} != {"Transformer", "MultiVectorMask", "Normalize"}:
        raise ValueError(
            f"{folder / layout.MODULES}: a multi-vector folder must have the modules "
            "Transformer, Dense or none, MultiVectorMask, Normalize, got "
            f"{', '.join(modules)}; vectors that are not normalised, or go through "
            "anything else, cannot be made here"
        )
    for name in modules.keys() & {"Dense", "Normalize"}:
        path = modules[name] / "config.json"
        on = read_json(path).get("module_input_name")
        if on != "token_embeddings":
            raise ValueError(
                f"{path}: module_input_name must be 'token_embeddings' in a multi-vector "
                f"folder, got {on!r}"
            )
    prompts = settings.get("prompts") or {}
    query_length = document_length = layout.tokenizer_length(folder)
    document_length = transformer.get("document_length") or document_length
    query_length = transformer.get("query_length") or query_length
    expansion = transformer.get("query_expansion")
    if expansion:
        _check_expansion(folder, expansion, tokenizer)
        query_length = expansion["length"]
    return HeadConfig(
        query_length=query_length,
        document_length=document_length,
        **_start("query", prompts.get("query"), tokenizer),
        **_start("document", prompts.get("document"), tokenizer),
        expansion=bool(expansion),
        attend_to_expansion=bool(expansion and expansion.get("attend", False)),
        **_mask(modules["MultiVectorMask"] / "config.json", tokenizer),
        **projection,
    )


def _check_expansion(
    folder: Path, expansion: dict[str, Any], tokenizer: tokenizers.Tokenizer
) -> None:
    token = expansion.get("token")
    masks = ("[MASK]", "<mask>")
    if expansion.get("strategy") != "fixed" or (token and token not in masks):
        raise ValueError(
            f"{folder / layout.TRANSFORMER_SETTINGS}: query_expansion must have the "
            "strategy 'fixed' and the mask token, got "
            f"{expansion.get('strategy')!r} and {token!r}; other expansions are not known "
            "here"
        )
    if token and tokenizer.token_to_id(token) is None:
        raise ValueError(
            f"{folder}: query_expansion names {token!r}, which the vocabulary lacks"
        )


def _start(
    field: str, prompt: str | None, tokenizer: tokenizers.Tokenizer
) -> dict[str, str]:
    """Return what a prompt is in a head: a marker, if it is one token but for the last blank."""
    for token in (prompt, prompt.rstrip()) if prompt else ():
        if tokenizer.token_to_id(token) is not None:
            return {f"{field}_marker": token}
    return {f"{field}_prompt": prompt} if prompt else {}


def _mask(path: Path, tokenizer: tokenizers.Tokenizer) -> dict[str, Any]:
    """Return which tokens are not scored, as fields of a head."""
    fields = read_json(path, {})
    words = tuple(fields.get("skiplist_words") or ())
    tasks = fields.get("skiplist_tasks") or ["document"]
    if fields.get("keep_only_token_ids"):
        raise ValueError(
            f"{path}: keep_only_token_ids must be null, got "
            f"{fields['keep_only_token_ids']}; it is for images, which this library does "
            "not encode"
        )
    if sorted(tasks) == ["document", "query"]:
        first = tokenizer.encode("").tokens[:1]
        if list(words) != first:
            raise ValueError(
                f"{path}: a skip list of queries and documents must be the first token "
                f"{first} alone, got {list(words)}; skip other words of documents only"
            )
        return {"skip_first": True}
    if tasks != ["document"]:
        raise ValueError(
            f"{path}: skiplist_tasks must be ['document'], got {tasks}; queries are scored "
            "with all of their tokens"
        )
    return {"skiplist": words}
