"""Exported folders with the vectors they must give, for other libraries to open.

    python -m tests.oracle.cases DIR [ENCODER_FOLDER]

writes one folder a case and beside it NAME.npz with our vectors. Reading them needs numpy
alone, so that a library whose pins do not fit ours is tested in an environment of its own.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from optical_jax.models import folder, retriever
from tests.models import tiny


def build(encoder: Path | None = None) -> dict[str, retriever.Retriever]:
    """The cases by name; with an encoder folder also that one, token by token."""
    accented = tiny.wordpiece(accents=True)
    made = {
        "bert-colbert": tiny.make(tiny.COLBERT),
        "bert-attend": tiny.with_head(
            tiny.make(tiny.COLBERT), attend_to_expansion=True
        ),
        "bert-no-expansion": tiny.with_head(tiny.make(tiny.COLBERT), expansion=False),
        "bert-tokenwise": tiny.make(tiny.TOKENWISE),
        "bert-accents": tiny.make(tiny.COLBERT, tokenizer=accented),
        "xlmr-colbert": tiny.make(tiny.COLBERT, family="xlm-roberta"),
        "xlmr-tokenwise": tiny.make(tiny.TOKENWISE, family="xlm-roberta"),
        "bert-mean": tiny.make(tiny.POOLED),
        "bert-cls": tiny.with_head(tiny.make(tiny.POOLED), pooling="cls"),
        "xlmr-mean": tiny.make(tiny.POOLED, family="xlm-roberta"),
        "xlmr-xl-colbert": tiny.make(tiny.COLBERT, family="xlm-roberta-xl"),
        "modernbert-colbert": tiny.make(
            dataclasses.replace(tiny.COLBERT, expansion=False), family="modernbert"
        ),
        "modernbert-mean": tiny.make(tiny.POOLED, family="modernbert"),
        "t5-colbert": tiny.make(tiny.COLBERT, family="t5"),
        "t5-mean": tiny.make(tiny.POOLED, family="t5"),
        "qwen3-last": tiny.with_head(
            tiny.make(tiny.POOLED, family="qwen3"), pooling="last"
        ),
        "gemma3-mean": _bidirectional(tiny.make(tiny.POOLED, family="gemma3_text")),
        "llama-colbert": tiny.make(tiny.COLBERT, family="llama"),
        "mistral-tokenwise": _bidirectional(
            tiny.make(tiny.TOKENWISE, family="mistral")
        ),
        "bert-last": tiny.with_head(tiny.make(tiny.POOLED), pooling="last"),
    }
    if encoder is not None:
        head = tiny.HeadConfig(query_length=32, document_length=180)
        made["given-encoder"] = folder.load(encoder, head=head)
    return made


def _bidirectional(model: retriever.Retriever) -> retriever.Retriever:
    encoder = dataclasses.replace(model.encoder, use_bidirectional_attention=True)
    return dataclasses.replace(model, encoder=encoder)


def write(model: retriever.Retriever, path: Path) -> None:
    """Export a case to the folder `path` and its vectors to `path`.npz."""
    folder.save(model, path)
    queries = tiny.vectors(model, model.text.queries(tiny.TEXTS))
    documents = tiny.vectors(model, model.text.documents(tiny.TEXTS))
    arrays = {f"query{i}": v for i, v in enumerate(queries)}
    arrays |= {f"document{i}": v for i, v in enumerate(documents)}
    np.savez(path.with_suffix(".npz"), texts=np.array(tiny.TEXTS), **arrays)


def main() -> None:
    """Write every case."""
    target, *encoder = [Path(arg) for arg in sys.argv[1:]]
    for name, model in build(encoder[0] if encoder else None).items():
        write(model, target / name)


if __name__ == "__main__":
    main()
