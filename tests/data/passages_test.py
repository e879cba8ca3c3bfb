import gzip
import json

import numpy as np
import pytest

from optical_jax.data import passages
from optical_jax.data.passages import PassagesConfig
from optical_jax.retrieval.encode import TokenVectors


def _read(path, **settings):
    return passages.read(
        PassagesConfig(path=path.name, **settings), root=path.parent, seed=0
    )


def _jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_lines_and_tables_and_json(tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("one\ntwo  words\n\nONE!\n", encoding="utf-8")
    # Of texts that differ in case and punctuation one is kept.
    assert sorted(t.lower()[:3] for t in _read(lines)) == ["one", "two"]
    table = tmp_path / "table.tsv.gz"
    table.write_bytes(gzip.compress(b"1\tone\n2\ttwo\n"))
    assert sorted(_read(table)) == ["one", "two"]
    rows = _jsonl(tmp_path / "p.jsonl", {"text": "one", "title": "T"}, {"text": "two"})
    assert sorted(_read(rows)) == ["T one", "two"]
    assert sorted(_read(rows, titles=False)) == ["one", "two"]


def test_a_collections_folder(tmp_path):
    for name in ("beir", "marco", "none"):
        (tmp_path / name).mkdir()
    _jsonl(
        tmp_path / "beir" / "corpus.jsonl",
        *({"_id": i, "text": f"t {i}"} for i in range(3)),
    )
    (tmp_path / "marco" / "collection.tsv").write_text("1\tone\n2\ttwo\n")
    assert sorted(_read(tmp_path / "beir")) == ["t 0", "t 1", "t 2"]
    assert sorted(_read(tmp_path / "marco")) == ["one", "two"]
    with pytest.raises(FileNotFoundError, match=r"neither corpus\.jsonl .* nor coll"):
        _read(tmp_path / "none")


def test_a_limit_keeps_a_random_part_whatever_the_order(tmp_path):
    texts = [f"passage {i}" for i in range(50)]
    kept = []
    for name, order in (("a", texts), ("b", texts[::-1])):
        (tmp_path / name).write_text("\n".join(order))
        kept.append(_read(tmp_path / name, limit=10))
    assert kept[0] == kept[1]
    assert len(kept[0]) == 10
    assert kept[0] != sorted(kept[0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "one"}\n{broken\n', r"p\.jsonl, line 2: expected a JSON object"),
        ('{"txt": "one"}\n', r"line 1: expected a JSON object with 'text'"),
        ("[1]\n", r"line 1: expected a JSON object with 'text'"),
        ("1\n", r"line 1: expected a JSON object with 'text'"),
        ('{"text": "one"}\n', r"at least two different texts, got 1 in .*p\.jsonl"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    path = tmp_path / "p.jsonl"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        _read(path)


@pytest.mark.parametrize(
    ("name", "value"), [("limit", 1), ("length", 3), ("per_pair", 0), ("nearest", -1)]
)
def test_bad_settings_are_named(name, value):
    with pytest.raises(ValueError, match=rf"data\.passages\.{name} must be at least"):
        PassagesConfig(**{name: value})


def _draws(rng, *, near, per_pair=2):
    lengths = rng.integers(1, 5, 30)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    vectors = rng.normal(size=(offsets[-1], 3)).astype(np.float16)
    ids = np.zeros(len(vectors), np.int32)
    return passages.Draws(
        vectors=TokenVectors(vectors, offsets, ids),
        nearest=near,
        per_pair=per_pair,
        seed=3,
    )


def test_each_pair_brings_a_near_passage_and_random_ones(rng):
    near = np.array([[1, 2], [3, 4], [-1, -1], [5, 5]], np.int32)
    draws = _draws(rng, near=near)
    seen = {0: set(), 1: set(), 2: set(), 3: set()}
    others = set()
    # Batches of other pairs draw anew; the same batch draws the same.
    for batch in range(200):
        pairs = rng.permutation(4)[: 2 + batch % 3]
        drawn = draws.positions(pairs)
        np.testing.assert_array_equal(drawn, draws.positions(pairs))
        for pair, row in zip(pairs.tolist(), drawn.tolist(), strict=True):
            seen[pair].add(row[0])
            others.add(row[1])
    assert (seen[0], seen[1], seen[3]) == ({1, 2}, {3, 4}, {5})
    # Who has no near passage draws any.
    assert len(seen[2]) > 2
    assert len(others) > 15


def test_arrays_hold_the_drawn_passages_vectors(rng):
    draws = _draws(rng, near=np.zeros((8, 0), np.int32), per_pair=3)
    rows = [(5, {}), (2, {})]
    arrays = draws(rows, np.arange(len(rows)))
    assert arrays["vectors"].dtype == np.float16
    positions = draws.positions(np.array([5, 2])).ravel().tolist()
    assert len(arrays["vectors"]) == 6
    for vectors, mask, i in zip(
        arrays["vectors"], arrays["mask"], positions, strict=True
    ):
        np.testing.assert_array_equal(vectors[mask], draws.vectors[i])
        assert not vectors[~mask].any()
    np.testing.assert_array_equal(arrays["mask"], arrays["scored"])
