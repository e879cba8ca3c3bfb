"""Write a retriever as a checkpoint of Stanford's ColBERT.

PyLate 1.6 and sentence-transformers 6.2 open it too, but each fills in what the layout
leaves open in its own way; heads that one of them would misread are refused.
"""

import dataclasses
import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from optical_jax.data import tokenize
from optical_jax.models import (
    layout,
    layout_stanford,
    tokenizer_files,
    weights,
)
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Retriever

# The encoder's name inside ColBERT: its `base_model_prefix` in transformers.
_PREFIXES = {
    "bert": "bert.",
    "xlm-roberta": "roberta.",
    "xlm-roberta-xl": "roberta.",
}
_ELSEWHERE = "use --format pylate, which can"


def fit(retriever: Retriever) -> Retriever:
    """Return the retriever with markers that the layout can name.

    Its readers put the marker and a blank before a text, or the marker alone: a marker
    that ends in a blank, as PyLate's "[Q] ", is one token here and two there. It loses the
    blank; its id and its row stay.

    Raises:
        ValueError: if the layout cannot hold the head, or a library would misread it.
    """
    head, tokenizer = retriever.head, retriever.text.tokenizer
    _check(head, retriever.encoder.model_type, tokenizer)
    renamed = {
        marker: marker.rstrip()
        for marker in (head.query_marker, head.document_marker)
        if marker != marker.rstrip()
    }
    taken = [m for m in renamed.values() if tokenizer.token_to_id(m) is not None]
    if taken:
        raise ValueError(
            f"a Stanford checkpoint cannot name the markers {', '.join(map(repr, renamed))}"
            f", and without their blanks {', '.join(map(repr, taken))} are other tokens; "
            f"{_ELSEWHERE}"
        )
    head = dataclasses.replace(
        head,
        query_marker=head.query_marker.rstrip(),
        document_marker=head.document_marker.rstrip(),
        skiplist=tuple(string.punctuation) if head.skiplist else (),
    )
    tokenizer = tokenizer_files.as_special(
        _rename(tokenizer, renamed),
        (head.query_marker, head.document_marker),
        # The blank that readers put between marker and text is no part of the text.
        rstrip=True,
    )
    text = tokenize.TextEncoder(tokenizer, head, special=retriever.text.special)
    return dataclasses.replace(retriever, head=head, text=text)


def write(retriever: Retriever, folder: Path) -> None:
    """Turn a plain encoder's folder, written of what `fit` returned, into a checkpoint.

    Raises:
        ValueError: if the encoder's weights are in several files.
    """
    if not (folder / weights.SINGLE).is_file():
        raise ValueError(
            f"a Stanford checkpoint has its weights in one file, and these are too large "
            f"for one; {_ELSEWHERE}"
        )
    width = retriever.encoder.hidden_size
    kernel = np.eye(width, dtype=np.float32)
    if retriever.head.projection is not None:
        kernel = np.asarray(retriever.params["projection"]["kernel"][...])
    prefix = _PREFIXES[retriever.encoder.model_type]
    tensors = {
        prefix + name.removeprefix(prefix): weights.read(entry)
        for name, entry in weights.entries(folder).items()
    }
    projection = np.ascontiguousarray(kernel.T)
    tensors["linear.weight"] = projection.astype(next(iter(tensors.values())).dtype)
    sizes = {name: tensor.nbytes for name, tensor in tensors.items()}
    weights.write(folder, sizes, tensors.__getitem__, shard_bytes=sum(sizes.values()))
    path = folder / "config.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    fields["architectures"] = [layout.STANFORD_ARCHITECTURE]
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    settings = layout_stanford.settings_text(retriever.head, width=width)
    (folder / layout.STANFORD_SETTINGS).write_text(settings, encoding="utf-8")


def limits(head: HeadConfig) -> tuple[str, ...]:
    """Return what a user of the checkpoint must know."""
    if head.skiplist:
        return ()
    return (
        "PyLate 1.6 does not read mask_punctuation from a Stanford checkpoint: pass "
        "skiplist_words=[] to models.ColBERT, or it leaves punctuation unscored.",
    )


def _check(head: HeadConfig, family: str, tokenizer: tokenizers.Tokenizer) -> None:
    """Raise a ValueError for a head that the layout cannot hold."""
    punctuation = tuple(string.punctuation)
    unknown = [mark for mark in punctuation if tokenizer.token_to_id(mark) is None]
    listed = tuple(word for word in punctuation if word not in unknown)
    known = [word for word in head.skiplist if tokenizer.token_to_id(word) is not None]
    problems = {
        f"its encoder is of the family {family}, not of {', '.join(_PREFIXES)}": (
            family not in _PREFIXES
        ),
        f"head.kind is {head.kind!r}": head.kind != "multi-vector",
        "head.projection_bias is True": head.projection_bias,
        "head.skip_first is True": head.skip_first,
        f"head.query_prompt is {head.query_prompt!r} and head.document_prompt "
        f"{head.document_prompt!r}": bool(head.query_prompt or head.document_prompt),
        "head.expansion is False, and its readers always expand queries": (
            not head.expansion
        ),
        f"head.query_marker is {head.query_marker!r} and head.document_marker "
        f"{head.document_marker!r}, and it needs both": (
            not (head.query_marker and head.document_marker)
        ),
        f"head.skiplist is {head.skiplist}, neither empty nor all punctuation": (
            bool(known) and set(known) != set(listed)
        ),
        f"the vocabulary lacks {' '.join(unknown)}, and PyLate would then leave every "
        "unknown token of a document unscored": bool(head.skiplist and unknown),
    }
    found = [problem for problem, is_there in problems.items() if is_there]
    if found:
        raise ValueError(
            f"a Stanford checkpoint cannot hold this retriever: {'; '.join(found)}; "
            f"{_ELSEWHERE}"
        )


def _rename(
    tokenizer: tokenizers.Tokenizer, renamed: dict[str, str]
) -> tokenizers.Tokenizer:
    state: dict[str, Any] = json.loads(tokenizer.to_str())
    for token in state["added_tokens"]:
        token["content"] = renamed.get(token["content"], token["content"])
    model = state["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {renamed.get(t, t): i for t, i in model["vocab"].items()}
    else:
        model["vocab"] = [[renamed.get(t, t), score] for t, score in model["vocab"]]
    return tokenizers.Tokenizer.from_str(json.dumps(state))
