import dataclasses
from pathlib import Path

import numpy as np
import pytest

from optical_jax.data.sources import Pair
from optical_jax.models import vocabulary, vocabulary_cache
from optical_jax.models.vocabulary import VocabularyConfig
from tests.models import tiny

PAIRS = [Pair("the book", "kitabu kile"), Pair("the word", "neno kile")] * 20
CONFIG = VocabularyConfig(size=60, whole_words=True)


def rows() -> np.ndarray:
    size = tiny.wordpiece().get_vocab_size()
    return np.random.default_rng(1).normal(size=(size, 8)).astype(np.float32)


def make(
    cache: Path,
    config: VocabularyConfig = CONFIG,
    pairs: list[Pair] = PAIRS,
    *,
    scale: float = 1.0,
    seed: int = 0,
) -> vocabulary.Transplant:
    return vocabulary_cache.transplant(
        tiny.wordpiece(), scale * rows(), pairs, config, seed=seed, cache=cache
    )


def test_the_same_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "new" / "cache"
    first = make(cache)
    expected = vocabulary.transplant(tiny.wordpiece(), rows(), PAIRS, CONFIG, seed=0)

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(vocabulary, "transplant", never)
    # Nothing but noise depends on the seed.
    for found in (first, make(cache, seed=1)):
        assert found.tokenizer.to_str() == expected.tokenizer.to_str()
        np.testing.assert_array_equal(found.embeddings, expected.embeddings)
        assert found.report == expected.report
    assert [path.name[:11] for path in cache.iterdir()] == ["vocabulary-"]


def test_what_it_depends_on_makes_another(tmp_path: Path) -> None:
    make(tmp_path)
    make(tmp_path, scale=2.0)
    make(tmp_path, pairs=PAIRS[1:])
    make(tmp_path, dataclasses.replace(CONFIG, size=61))
    noise = dataclasses.replace(CONFIG, initialization="random")
    one, two = (make(tmp_path, noise, seed=seed) for seed in (0, 1))
    assert not np.array_equal(one.embeddings, two.embeddings)
    assert len(list(tmp_path.iterdir())) == 6


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Newer(VocabularyConfig):
    added: int = 0


def test_an_option_that_is_new_and_off_makes_no_other(tmp_path: Path) -> None:
    make(tmp_path)
    make(tmp_path, _Newer(size=60, whole_words=True))
    assert len(list(tmp_path.iterdir())) == 1
    make(tmp_path, _Newer(size=60, whole_words=True, added=1))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("report.json", b"{"),
        ("tokenizer.json", b"{}"),
        ("embeddings.npy", b"\x93NUMPY"),
        ("embeddings.npy", None),
    ],
)
def test_damage_names_the_folder(
    tmp_path: Path, file: str, content: bytes | None
) -> None:
    make(tmp_path)
    (kept,) = tmp_path.iterdir()
    if content is None:
        np.save(kept / file, rows()[:3])
    else:
        (kept / file).write_bytes(content)
    with pytest.raises(ValueError, match=f"{kept.name} is damaged.*delete that folder"):
        make(tmp_path)
