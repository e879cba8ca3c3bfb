import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from optical_jax import convert
from optical_jax.data import tokenize
from optical_jax.models import folder, retriever
from tests.models import tiny

WIDTH = 16


@pytest.fixture
def bge(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A single-vector folder of the family with the separate head beside it."""
    path = tmp_path / "bge"
    model = tiny.make(tiny.POOLED, family="xlm-roberta")
    folder.save(tiny.with_head(model, pooling="cls"), path)
    rng = np.random.default_rng(0)
    head = {
        "weight": rng.standard_normal((WIDTH, WIDTH)).astype(np.float32),
        "bias": rng.standard_normal(WIDTH).astype(np.float32),
    }
    safetensors.numpy.save_file(head, path / "colbert_linear.safetensors")
    return path, head


def test_vectors_are_those_of_the_published_code(
    bge: tuple[Path, dict[str, np.ndarray]],
) -> None:
    # FlagEmbedding, m3/modeling.py: colbert_linear(last_hidden_state[:, 1:]), normalised.
    path, head = bge
    read = folder.load(path)
    assert read.head.skip_first
    assert read.head.projection_bias
    plain = folder.load(path, head=tiny.TOKENWISE)
    # Hidden states up to their lengths, which a projection with a bias does not undo.
    rows = read.text.queries(tiny.TEXTS[:4])
    found = tiny.vectors(read, rows)
    states = hidden_states(plain, rows)
    for mine, state in zip(found, states, strict=True):
        wanted = state[1:] @ head["weight"].T + head["bias"]
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
        np.testing.assert_allclose(mine, wanted, atol=2e-6)


def hidden_states(model: retriever.Retriever, rows: list) -> list[np.ndarray]:
    length = max(len(row.ids) for row in rows)
    batch = tokenize.pad(rows, length, pad_id=model.text.pad_id)
    graph = retriever.graphdef(model.encoder, model.head)
    encode = jax.jit(lambda params, *given: nnx.merge(graph, params).encoder(*given))
    out = np.asarray(encode(model.params, batch["ids"], batch["mask"]))
    return [state[: len(row.ids)] for state, row in zip(out, rows, strict=True)]


def test_documents_skip_the_first_token_too(
    bge: tuple[Path, dict[str, np.ndarray]],
) -> None:
    read = folder.load(bge[0])
    (document,) = read.text.documents(["habari dunia"])
    assert document.scored.tolist() == [False] + [True] * (len(document.ids) - 1)


def test_pickle_is_refused_with_the_way_out(
    bge: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    path, _ = bge
    (path / "colbert_linear.safetensors").rename(path / "colbert_linear.pt")
    head = dataclasses.replace(
        tiny.TOKENWISE, projection=WIDTH, projection_bias=True, skip_first=True
    )
    message = r"is a pickle, which is never loaded.*safetensors.torch as s; s.save_file"
    with pytest.raises(ValueError, match=message):
        folder.load(path, head=head)
    options = convert.Options(input=path, output=tmp_path / "out")
    with pytest.raises(ValueError, match=message):
        convert.convert(options)
    # Its single vectors need no head.
    assert folder.load(path).head.kind == "single-vector"
    (path / "modules.json").unlink()
    with pytest.raises(ValueError, match=message):
        folder.load(path)


def test_other_tensors(bge: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, head = bge
    safetensors.numpy.save_file(
        {"linear.weight": head["weight"]}, path / "colbert_linear.safetensors"
    )
    with pytest.raises(
        ValueError, match="must hold the tensors weight and bias, got lin"
    ):
        folder.load(path)


def test_bias_must_be_that_of_the_folder(
    bge: tuple[Path, dict[str, np.ndarray]],
) -> None:
    head = dataclasses.replace(tiny.TOKENWISE, projection=WIDTH)
    with pytest.raises(ValueError, match="projection_bias must be True, as the proj"):
        folder.load(bge[0], head=head)


def test_pylate_cannot_hold_it_and_sentence_transformers_can(
    bge: tuple[Path, dict[str, np.ndarray]], tmp_path: Path
) -> None:
    options = convert.Options(input=bge[0], output=tmp_path / "out")
    with pytest.raises(ValueError, match="leaves out the first.*transformers-6"):
        convert.convert(options)
    options = dataclasses.replace(options, format="sentence-transformers-6")
    assert convert.convert(options) == 0.0
    assert folder.load(tmp_path / "out").head == folder.load(bge[0]).head
