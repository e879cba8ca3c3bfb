"""Exported folders opened by sentence-transformers 6.2 give our vectors.

OPTICAL_JAX_ORACLE_ENCODER may name a real encoder's folder to be tried token by token.
"""

import os
from pathlib import Path

import pytest
import sentence_transformers

from tests.oracle import cases, compare

_GIVEN = os.environ.get("OPTICAL_JAX_ORACLE_ENCODER")
_CASES = cases.build(Path(_GIVEN) if _GIVEN else None)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cases")
    for name, model in _CASES.items():
        cases.write(model, root / name)
    return root


@pytest.mark.parametrize("name", sorted(_CASES))
def test_vectors_are_ours(name: str, exported: Path) -> None:
    case, is_multi_vector = compare.folders(exported)[name]
    if is_multi_vector:
        model = sentence_transformers.MultiVectorEncoder(str(case), device="cpu")
    else:
        model = sentence_transformers.SentenceTransformer(str(case), device="cpu")
    encoders = {"query": model.encode_query, "document": model.encode_document}
    for kind, encode in encoders.items():
        found = compare.difference(case, kind, encode)
        assert found <= compare.TOLERANCE, (kind, found)
