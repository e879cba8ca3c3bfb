import numpy as np
import pytest

from optical_jax.data import teacher_vectors
from optical_jax.data.passages import PassagesConfig
from optical_jax.models import folder
from optical_jax.training import passages
from tests.training import tiny_run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("inputs")
    tiny_run.write_inputs(root)
    return root


def _sentences(root):
    return [s for s in (root / "train.en").read_text().splitlines() if s][:40]


def _make(root, *, cached=None, **settings):
    settings = PassagesConfig(**{"nearest": 3, "length": 12, **settings})
    config = tiny_run.config(
        root, root / "none", data=tiny_run.data(root, passages=settings)
    )
    said = []
    teacher = folder.load(config.teacher.path)
    sentences = _sentences(root)
    found = passages.make(
        config, teacher, sentences, own=40, cached=cached, say=said.append
    )
    return found, said, teacher


@pytest.mark.parametrize("mining", ["teacher", "bm25"])
def test_near_passages_are_near_and_never_the_sentence_itself(root, mining):
    found, said, _ = _make(root, mining=mining)
    assert said[0] == "passages: 40 in the teacher's language"
    assert found.nearest.shape == (40, 3)
    assert found.vectors.lengths.max() <= 12
    sentences = _sentences(root)
    # The same command again finds the passages in the same order.
    settings = PassagesConfig()
    texts = passages.passages.choose(iter(sentences), settings, seed=0, where="")
    shared = []
    for i, near in enumerate(np.asarray(found.nearest)):
        words = set(sentences[i].split())
        near = [texts[j] for j in near if j >= 0]
        assert sentences[i] not in near
        shared += [len(words & set(text.split())) for text in near]
    at_random = [
        len(set(a.split()) & set(b.split())) for a in sentences for b in texts if a != b
    ]
    assert np.mean(shared) > 1.05 * np.mean(at_random)


def test_what_was_found_is_kept(root, tmp_path):
    _make(root)
    again, said, teacher = _make(root)
    assert said == ["passages: 40 in the teacher's language"]
    # Vectors of the sentences that are on disk already give the same neighbours.
    cached = teacher_vectors.compute(teacher, _sentences(root), cache_dir=tmp_path)
    for file in (root / "cache").glob("nearest-*.npy"):
        file.unlink()
    other, said, _ = _make(root, cached=cached)
    assert len(said) == 2
    np.testing.assert_array_equal(again.nearest, other.nearest)
