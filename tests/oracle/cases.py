"""Exported folders with the vectors they must give, for other libraries to open.

    python -m tests.oracle.cases DIR [ENCODER_FOLDER]

writes one folder a case and beside it NAME.npz with our vectors, and a PLAID index with what
searching it finds. Reading them needs numpy alone, so that a library whose pins do not fit
ours is tested in an environment of its own.
"""

import dataclasses
import json
import string
import sys
from pathlib import Path

import numpy as np
import tokenizers

from optical_jax.data.collection import Collection
from optical_jax.models import adapt, folder, retriever, stanford_writer, trim
from optical_jax.models.formats import Name
from optical_jax.retrieval import encode, plaid, plaid_export
from tests.models import tiny

PLAID = "plaid-index"
# Documents of the index, and bits of its residuals.
_DOCUMENTS = 300
_PROMPTS = {"query_prompt": "who wrote: ", "document_prompt": "the text "}
_BITS = 4


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
        "bert-bias": tiny.make(dataclasses.replace(tiny.COLBERT, projection_bias=True)),
        "bert-trimmed": trim.apply(tiny.make(tiny.COLBERT), tiny.TEXTS[:3]),
        "xlmr-colbert": tiny.make(tiny.COLBERT, family="xlm-roberta"),
        "xlmr-tokenwise": tiny.make(tiny.TOKENWISE, family="xlm-roberta"),
        "xlmr-trimmed": trim.apply(
            tiny.make(tiny.COLBERT, family="xlm-roberta"), tiny.TEXTS[:3]
        ),
        "bert-mean": tiny.make(tiny.POOLED),
        "bert-cls": tiny.with_head(tiny.make(tiny.POOLED), pooling="cls"),
        "xlmr-mean": tiny.make(tiny.POOLED, family="xlm-roberta"),
        "xlmr-prompts": tiny.with_head(
            tiny.make(tiny.POOLED, family="xlm-roberta"), **_PROMPTS
        ),
        "qwen3-instructed": tiny.with_head(
            tiny.make(tiny.POOLED, family="qwen3"),
            pooling="last",
            query_prompt=_PROMPTS["query_prompt"],
        ),
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


def with_unused() -> tokenizers.Tokenizer:
    """A BERT vocabulary with all punctuation and with [unused0], as BERT's own has it."""
    state = json.loads(tiny.wordpiece(markers=False).to_str())
    vocab = state["model"]["vocab"]
    vocab |= {f"[unused{i}]": len(vocab) + i for i in range(2)}
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def stanford() -> dict[str, retriever.Retriever]:
    """Cases in the layout of Stanford's ColBERT."""
    punctuation = tuple(string.punctuation)
    head = dataclasses.replace(
        tiny.COLBERT,
        query_marker="[unused0]",
        document_marker="[unused1]",
        skiplist=punctuation,
    )
    model = tiny.make(head, tokenizer=with_unused())
    full = dataclasses.replace(tiny.COLBERT, skiplist=punctuation)
    return {
        "bert-stanford": model,
        "bert-stanford-attend": tiny.with_head(model, attend_to_expansion=True),
        "bert-stanford-added": tiny.make(full),
        "xlmr-xl-stanford-added": tiny.make(
            full, family="xlm-roberta-xl", tokenizer=tiny.unigram(punctuation=True)
        ),
        "xlmr-stanford-added": tiny.make(
            full, family="xlm-roberta", tokenizer=tiny.unigram(punctuation=True)
        ),
    }


def newer() -> dict[str, retriever.Retriever]:
    """Cases in the multi-vector layout of sentence-transformers 6, which PyLate cannot open."""
    first = dataclasses.replace(
        tiny.TOKENWISE, projection=8, projection_bias=True, skip_first=True
    )
    return {
        "bert-newer": tiny.make(tiny.COLBERT),
        "bert-newer-no-expansion": tiny.with_head(
            tiny.make(tiny.COLBERT), expansion=False
        ),
        "xlmr-newer-skip-first": tiny.make(first, family="xlm-roberta"),
        "xlmr-newer": tiny.make(tiny.COLBERT, family="xlm-roberta"),
        "bert-newer-prompts": tiny.make(
            dataclasses.replace(tiny.TOKENWISE, projection=8, **_PROMPTS)
        ),
    }


def write(
    model: retriever.Retriever, path: Path, *, layout: Name = "pylate"
) -> retriever.Retriever:
    """Export a case to the folder `path` and its vectors to `path`.npz."""
    if layout == "stanford":
        model, _ = adapt.adapt(model, "stanford")
        with folder.staged(path) as staging:
            folder.write_encoder(model, staging)
            stanford_writer.write(model, staging)
    else:
        folder.save(model, path, newer=layout == "sentence-transformers-6")
    text, count = model.text, len(tiny.TEXTS)
    rows = [*text.queries(tiny.TEXTS), *text.documents(tiny.TEXTS)]
    found = tiny.vectors(model, rows)
    arrays = {f"query{i}": v for i, v in enumerate(found[:count])}
    arrays |= {f"document{i}": v for i, v in enumerate(found[count:])}
    np.savez(path.with_suffix(".npz"), texts=np.array(tiny.TEXTS), **arrays)
    return model


def write_index(path: Path) -> None:
    """Write a PLAID index to the folder `path`, and beside it what to find in it.

    `path`.json has queries' vectors, and for each one the documents of the highest MaxSim
    over the vectors that the index holds, best first, with their scores.
    """
    model = tiny.make(tiny.COLBERT)
    rng = np.random.default_rng(0)
    words = " ".join(tiny.TEXTS[:-1]).split()
    texts = [" ".join(rng.choice(words, 9)) for _ in range(_DOCUMENTS)]
    doc_ids = [f"doc-{i:03d}" for i in range(_DOCUMENTS)]
    plaid_export.export(
        Collection("made", doc_ids, texts, {}, {}),
        path,
        document_encoder=model,
        bits=_BITS,
        cache=path.parent / "cache",
    )
    queries = encode.encode_queries(model, tiny.TEXTS[:8])
    index = plaid.load(path / plaid_export.INDEX)
    found = plaid.search(queries, index, k=20)
    content = {
        "queries": [queries[i].tolist() for i in range(len(queries))],
        "documents": [[doc_ids[i] for i in row] for row in found.indices],
        "scores": found.scores.tolist(),
    }
    path.with_suffix(".json").write_text(json.dumps(content))


def main() -> None:
    """Write every case that PyLate opens with our vectors."""
    target, *encoder = [Path(arg) for arg in sys.argv[1:]]
    for name, model in build(encoder[0] if encoder else None).items():
        # Where the card says that PyLate reads it otherwise, it is not asked.
        if model.head.kind == "single-vector" or not adapt.adapt(model, "pylate")[1]:
            write(model, target / name)
    for name, model in stanford().items():
        write(model, target / name, layout="stanford")
    write_index(target / PLAID)


if __name__ == "__main__":
    main()
