"""The formats that are read and written, and what opens each: one entry a format."""

from dataclasses import dataclass
from typing import Literal

Name = Literal[
    "pylate",
    "stanford",
    "sentence-transformers-6",
    "single-vector",
    "encoder",
    "plaid",
]


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format.

    Attributes:
        contents: what a folder of it is, in a few words.
        opens: what opens it.
        read: whether this library reads it.
        written: whether this library writes it.
        library: of a model card's header.
        tags: of a model card's header.
        use: how a user opens it, as Markdown with {name} in place of the folder.
    """

    contents: str
    opens: str
    read: bool = True
    written: bool = True
    library: str = ""
    tags: tuple[str, ...] = ()
    use: str = ""


_PYLATE = """\
With PyLate (1.6):

```python
from pylate import models

model = models.ColBERT({name})
queries = model.encode(["..."], is_query=True)
documents = model.encode(["..."], is_query=False)
```
"""
_MULTI_VECTOR = """\
With sentence-transformers (6.2 or later):

```python
from sentence_transformers import MultiVectorEncoder

model = MultiVectorEncoder({name})
queries = model.encode_query(["..."])
documents = model.encode_document(["..."])
```
"""
_STANFORD = """\
With ColBERT itself:

```python
from colbert.modeling.checkpoint import Checkpoint
from colbert.infra import ColBERTConfig

checkpoint = Checkpoint({name}, colbert_config=ColBERTConfig.load_from_checkpoint({name}))
```
"""

FORMATS: dict[str, Format] = {
    "pylate": Format(
        contents="multi-vector: markers, lengths, skip list, projection (1_Dense)",
        opens="PyLate 1.6, sentence-transformers 6.2 (MultiVectorEncoder)",
        library="PyLate",
        tags=("ColBERT", "PyLate", "sentence-transformers", "feature-extraction"),
        use=f"{_PYLATE}\n{_MULTI_VECTOR}",
    ),
    "stanford": Format(
        contents="ColBERT checkpoint: linear.weight beside the encoder, artifact.metadata",
        opens="ColBERT, PyLate 1.6, sentence-transformers 6.2 (MultiVectorEncoder)",
        library="colbert",
        tags=("ColBERT", "PyLate", "sentence-transformers", "feature-extraction"),
        use=f"{_STANFORD}\n{_PYLATE}\n{_MULTI_VECTOR}",
    ),
    "sentence-transformers-6": Format(
        contents="multi-vector, with MultiVectorMask and Normalize as modules",
        opens="sentence-transformers 6.2 (MultiVectorEncoder); not PyLate 1.6",
        library="sentence-transformers",
        tags=("ColBERT", "sentence-transformers", "feature-extraction"),
        use=_MULTI_VECTOR,
    ),
    "single-vector": Format(
        contents="one vector a text: mean or first token, perhaps a Dense, Normalize",
        opens="sentence-transformers (SentenceTransformer)",
        library="sentence-transformers",
        tags=("sentence-transformers", "feature-extraction"),
        use="""\
With sentence-transformers:

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer({name})
queries = model.encode_query(["..."])
documents = model.encode_document(["..."])
```
""",
    ),
    "encoder": Format(
        contents="the encoder and its tokenizer, without a head",
        opens="transformers (AutoModel; T5's as T5EncoderModel)",
        library="transformers",
        tags=("feature-extraction",),
        use="""\
The encoder alone, without a retrieval head:

```python
from transformers import AutoTokenizer, {reader}

tokenizer, model = AutoTokenizer.from_pretrained({name}), {reader}.from_pretrained({name})
```
""",
    ),
    "bge-m3": Format(
        contents="a sentence-transformers folder with colbert_linear.safetensors beside it",
        opens="FlagEmbedding, from which it comes",
        written=False,
    ),
    "plaid": Format(
        contents="a compressed index of a collection's token vectors",
        opens="fast-plaid 1.4, PyLate 1.6 (indexes.PLAID)",
    ),
}
