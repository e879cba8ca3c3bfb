"""Exported folders opened by sentence-transformers 6.2 give our vectors, and its own ours.

OPTICAL_JAX_ORACLE_ENCODER may name a real encoder's folder to be tried token by token.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import sentence_transformers

from optical_jax.models import folder
from tests.models import tiny
from tests.oracle import cases, compare

_GIVEN = os.environ.get("OPTICAL_JAX_ORACLE_ENCODER")
_CASES = cases.build(Path(_GIVEN) if _GIVEN else None)
_STANFORD, _NEWER = cases.stanford(), cases.newer()
# Over up to 24 query tokens.
_MAXSIM_TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cases")
    for name, model in _CASES.items():
        cases.write(model, root / name)
    for name, model in _STANFORD.items():
        cases.write(model, root / name, layout="stanford")
    for name, model in _NEWER.items():
        cases.write(model, root / name, layout="sentence-transformers-6")
    return root


def open_case(
    case: Path, *, multi_vector: bool
) -> sentence_transformers.SentenceTransformer:
    kind = sentence_transformers.SentenceTransformer
    if multi_vector:
        kind = sentence_transformers.MultiVectorEncoder
    return kind(str(case), device="cpu")


@pytest.mark.parametrize("name", sorted([*_CASES, *_STANFORD, *_NEWER]))
def test_vectors_are_ours(name: str, exported: Path) -> None:
    case, is_multi_vector = compare.folders(exported)[name]
    model = open_case(case, multi_vector=is_multi_vector)
    encoders = {"query": model.encode_query, "document": model.encode_document}
    for kind, encode in encoders.items():
        found = compare.difference(case, kind, encode)
        assert found <= compare.TOLERANCE, (kind, found)
    if is_multi_vector:
        found = compare.maxsim_difference(case, *encoders.values())
        assert found <= _MAXSIM_TOLERANCE


@pytest.mark.parametrize(
    "name",
    [
        "bert-colbert",
        "xlmr-colbert",
        "bert-bias",
        "bert-mean",
        "bert-stanford",
        "qwen3-instructed",
        "bert-newer-prompts",
    ],
)
def test_what_the_real_writer_makes_of_it_is_read_back(
    name: str, exported: Path, tmp_path: Path
) -> None:
    case, is_multi_vector = compare.folders(exported)[name]
    model = open_case(case, multi_vector=is_multi_vector)
    model.save(str(tmp_path / "native"))
    text = (tmp_path / "native" / "modules.json").read_text()
    assert "sentence_transformers.base" in text
    read = folder.load(tmp_path / "native")
    for kind in ("query", "document"):
        found = compare.difference(
            case, kind, lambda texts, k=kind: ours(read, texts, k)
        )
        assert found <= compare.TOLERANCE, (kind, found)
    # And back: the tensors that it wrote, bit for bit, under the names that it gave them.
    folder.save(read, tmp_path / "again", newer=is_multi_vector)
    for file in (tmp_path / "again").rglob("*.safetensors"):
        again = safetensors.numpy.load_file(file)
        native = safetensors.numpy.load_file(
            tmp_path / "native" / file.relative_to(tmp_path / "again")
        )
        assert again.keys() == {k for k in native if not k.startswith("pooler.")}
        for key, value in again.items():
            np.testing.assert_array_equal(value, native[key])


def ours(model, texts: list[str], kind: str) -> list[np.ndarray]:  # noqa: ANN001
    encode = model.text.queries if kind == "query" else model.text.documents
    return tiny.vectors(model, encode(texts))
