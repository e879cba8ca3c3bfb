import collections
import io

import jax
import numpy as np
import pytest

from optical_jax.data import lengths, pipeline, teacher_vectors
from optical_jax.data.sources import Pair
from optical_jax.retrieval import encode
from tests.models import tiny

# Digits as letters that the tiny vocabulary holds.
_SPELL = str.maketrans("0123456789", "habrizsudn")
_READ = str.maketrans("habrizsudn", "0123456789")


class _Texts:
    """Pair i has a target of 0 to 6 words and its number, and a source of its number."""

    def read(self, indices):
        names = [str(int(i)).translate(_SPELL) for i in indices]
        return [
            {"target": [f"{'who ' * (int(i) % 7)}{name}"], "source": [name]}
            for i, name in zip(indices, names, strict=True)
        ]


def _batches(groups=None, fields=None, **settings):
    model = tiny.make(tiny.TOKENWISE)
    fields = fields or {
        name: pipeline.Field(text=model.text, kind="query")
        for name in ("target", "source")
    }
    base = {"batch_size": 8, "window": 4, "buckets": (8, 12, 16), "seed": 0}
    groups = groups or [(np.arange(64), 1.0)]
    return pipeline.batches(
        [
            pipeline.stream(
                _Texts(), groups=groups, fields=fields, **{**base, **settings}
            )
        ]
    )


def _numbers(batch):
    """Which pairs are in a batch, read off its targets."""
    text = tiny.make(tiny.TOKENWISE).text
    rows = zip(batch["target"]["ids"], batch["target"]["mask"], strict=True)
    words = ["".join(text.tokens(ids[mask])[1:-1]) for ids, mask in rows]
    spelled = [word.replace("##", "").replace("who", "") for word in words]
    return [int(word.translate(_READ)) for word in spelled]


def test_an_epoch_sees_every_example_once_and_epochs_differ():
    stream = _batches()
    epochs = [[n for _ in range(8) for n in _numbers(next(stream))] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(64))
    assert epochs[0] != epochs[1]


def test_order_depends_on_the_seed_alone():
    first, again, other = _batches(), _batches(), _batches(seed=1)
    for _ in range(3):
        a, b, c = next(first), next(again), next(other)
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert _numbers(a) != _numbers(c)


def test_a_restored_iterator_goes_on_where_it_was():
    stream = _batches()
    for _ in range(5):
        next(stream)
    state = stream.get_state()
    rest = [_numbers(next(stream)) for _ in range(6)]
    restored = _batches()
    restored.set_state(state)
    assert [_numbers(next(restored)) for _ in range(6)] == rest


def test_batches_are_of_like_length_and_few_shapes():
    stream = _batches(window=8)
    shapes, padding = collections.Counter(), []
    for _ in range(16):
        batch = next(stream)
        shapes[batch["target"]["ids"].shape, batch["source"]["ids"].shape] += 1
        padding.append(1 - batch["target"]["mask"].mean())
    assert len(shapes) <= 3
    assert all(a == b for a, b in shapes)
    assert np.mean(padding) < 0.35


def test_sources_are_mixed_by_size_times_weight():
    groups = [(np.arange(0, 32), 3.0), (np.arange(32, 64), 1.0)]
    stream = _batches(groups)
    numbers = [n for _ in range(16) for n in _numbers(next(stream))]
    assert np.mean(np.array(numbers) < 32) == pytest.approx(0.75, abs=0.02)


def test_every_host_gets_its_rows_of_the_same_batches():
    whole = [_numbers(next(stream)) for stream in [_batches()] for _ in range(3)]
    shares = [np.array([0, 1, 6, 7]), np.arange(2, 6)]
    for own in shares:
        stream = _batches(own=own)
        for rows in whole:
            assert _numbers(next(stream)) == [rows[i] for i in own]


class _Drawn(_Texts):
    """Pairs whose targets lose words in every third place of a window; keeps what was read."""

    count = 3

    def __init__(self):
        self.seen = []

    def read(self, indices):
        return self.variants(indices, self.drawn(indices))

    def drawn(self, window):
        return (np.arange(len(window)) + int(window[0])) % self.count

    def variants(self, indices, which):
        self.seen.extend(map(int, indices))
        return [
            row | {"target": [row["target"][0].removeprefix("who " * how)]}
            for row, how in zip(super().read(indices), which.tolist(), strict=True)
        ]


def _quiet(line):
    pass


def _fields():
    text = tiny.make(tiny.TOKENWISE).text
    return {
        "target": pipeline.Field(text=text, kind="query"),
        "source": pipeline.Field(text=text, kind="document"),
    }


def _pairs():
    rows = _Texts().read(np.arange(64))
    return [Pair(row["source"][0], row["target"][0]) for row in rows]


def test_with_known_lengths_a_host_reads_its_own_rows_of_the_same_batches(tmp_path):
    fields, said = _fields(), []
    known = [
        lengths.of(_Drawn(), fields, pairs=_pairs(), cache=tmp_path, say=said.append)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*known)
    assert len(list(tmp_path.iterdir())) == len(said) == 1
    settings = {"batch_size": 8, "window": 4, "buckets": (8, 12, 16), "seed": 0}
    settings |= {"groups": [(np.arange(64), 1.0)], "fields": fields}
    whole = pipeline.batches([pipeline.stream(_Drawn(), **settings)])
    whole = [next(whole) for _ in range(12)]  # an epoch and a half
    assert len({batch["target"]["ids"].shape for batch in whole}) > 1
    for own in (np.array([0, 1, 6, 7]), np.arange(2, 6)):
        texts = _Drawn()
        stream = pipeline.stream(texts, **settings, own=own, lengths=known[0])
        for i in range(8):  # an epoch
            mine = jax.tree.map(lambda x, own=own: x[own], whole[i])
            jax.tree.map(np.testing.assert_array_equal, stream[i], mine)
        assert len(texts.seen) == len(set(texts.seen)) == 32
        iterator = pipeline.batches([stream])
        for i, batch in enumerate(whole):
            mine = jax.tree.map(lambda x, own=own: x[own], batch)
            jax.tree.map(np.testing.assert_array_equal, next(iterator), mine)
            if i == 5:
                state = iterator.get_state()
        again = pipeline.batches([stream])
        again.set_state(state)
        mine = jax.tree.map(lambda x, own=own: x[own], whole[6])
        jax.tree.map(np.testing.assert_array_equal, next(again), mine)


def test_lengths_are_those_of_the_texts(tmp_path):
    texts, fields = _Drawn(), _fields()
    found = lengths.of(texts, fields, pairs=_pairs(), cache=tmp_path, say=_quiet)
    assert found.shape == (64, 3)
    for which in range(3):
        rows = texts.variants(np.arange(64), np.full(64, which))
        for row, kept in zip(rows, found[:, which], strict=True):
            tokens = [fields[name].encode(row[name])[0].ids for name in fields]
            assert kept == max(map(len, tokens))


def test_lengths_depend_on_texts_and_tokens(tmp_path):
    pairs, fields = [Pair("dunia", "who"), Pair("b", "who who")], _fields()
    short = tiny.with_head(tiny.make(tiny.TOKENWISE), query_length=4).text
    less = fields | {"target": pipeline.Field(text=short, kind="query")}
    for some, given, changed in (
        (pairs, fields, True),
        (pairs, fields, False),
        (pairs[:1], fields, True),
        (pairs, less, True),
    ):
        before = len(list(tmp_path.iterdir()))
        found = lengths.of(_Drawn(), given, pairs=some, cache=tmp_path, say=_quiet)
        assert len(found) == len(some)
        assert len(list(tmp_path.iterdir())) == before + changed


def test_damaged_lengths_are_named(tmp_path):
    def open_():
        return lengths.of(
            _Drawn(), _fields(), pairs=_pairs(), cache=tmp_path, say=_quiet
        )

    known = np.array(open_())
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    other = io.BytesIO()
    np.save(other, known[1:])
    for damaged in (whole[:-4], whole[:20], b"", b"x" * len(whole), other.getvalue()):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{path} are damaged .*; delete that"):
            open_()
    # What only a look at the texts can tell.
    known[5] += 1
    stream = pipeline.stream(
        _Drawn(),
        groups=[(np.full(8, 5), 1.0)],
        fields=_fields(),
        batch_size=8,
        window=1,
        buckets=(16,),
        seed=0,
        lengths=known,
    )
    with pytest.raises(ValueError, match=r"example 5 must have .*lengths-\*.npy"):
        stream[0]


def test_no_example_is_an_error():
    with pytest.raises(ValueError, match=r"there are no examples to train on"):
        _batches([(np.arange(0), 1.0)])


def test_cached_vectors_are_the_teachers(tmp_path):
    model = tiny.make(tiny.TOKENWISE)
    texts = [row["source"][0] for row in _Texts().read(np.arange(64))]
    cached = teacher_vectors.compute(model, texts, cache_dir=tmp_path)
    fields = {
        "target": pipeline.Field(text=model.text, kind="query"),
        "source": pipeline.Field(text=model.text, kind="query", cached=cached),
    }
    batch = next(_batches(fields=fields))
    assert "ids" not in batch["source"]
    assert batch["source"]["vectors"].shape[:2] == (8, 16)
    names = [str(i).translate(_SPELL) for i in _numbers(batch)]
    expected = encode.encode_queries(model, names)
    for i, (vectors, mask) in enumerate(
        zip(batch["source"]["vectors"], batch["source"]["mask"], strict=True)
    ):
        np.testing.assert_allclose(vectors[mask], expected[i], atol=1e-3)
        assert not vectors[~mask].any()


class _Triples:
    """Query i with three documents and their scores."""

    def read(self, indices):
        names = [str(int(i)).translate(_SPELL) for i in indices]
        return [
            {
                "query": [n],
                "document": [f"who {n}", f"the {n}", f"book {n}"],
                "scores": [int(i), 0.5, 0.0],
            }
            for i, n in zip(indices, names, strict=True)
        ]


def test_a_query_its_documents_and_their_scores_stay_together():
    model = tiny.make(tiny.COLBERT)
    fields = {
        "query": pipeline.Field(text=model.text, kind="query"),
        "document": pipeline.Field(
            text=model.text, kind="document", numbers=("scores",)
        ),
    }
    stream = pipeline.stream(
        _Triples(),
        groups=[(np.arange(16), 1.0)],
        fields=fields,
        batch_size=4,
        window=2,
        buckets=(24,),
        seed=0,
    )
    batch = next(pipeline.batches([stream]))
    assert batch["query"]["ids"].shape == (4, 16)
    assert batch["document"]["ids"].shape == (4, 3, 24)

    def words(ids):
        """What stands between the marker and [SEP], as one word."""
        tokens = model.text.tokens(ids)
        return "".join(tokens[2 : tokens.index("[SEP]")]).replace("##", "")

    documents = batch["document"]
    assert documents["scores"].dtype == np.float32
    for query, texts, scores in zip(
        batch["query"]["ids"], documents["ids"], documents["scores"], strict=True
    ):
        n = words(query)
        assert [words(text) for text in texts] == [f"who{n}", f"the{n}", f"book{n}"]
        assert scores.tolist() == [int(n.translate(_READ)), 0.5, 0.0]


def test_streams_lie_side_by_side_and_resume_together():
    model = tiny.make(tiny.TOKENWISE)

    def both():
        return pipeline.batches(
            [
                pipeline.stream(
                    _Texts(),
                    groups=[(np.arange(32), 1.0)],
                    fields={
                        name: pipeline.Field(
                            text=model.text, kind="query", column="target"
                        )
                    },
                    batch_size=4,
                    window=2,
                    buckets=(16,),
                    seed=seed,
                )
                for seed, name in enumerate(("target", "other"))
            ]
        )

    stream = both()
    batches = [next(stream) for _ in range(3)]
    assert set(batches[0]) == {"target", "other"}
    assert _numbers(batches[0]) != _numbers({"target": batches[0]["other"]})
    state = stream.get_state()
    expected = next(stream)
    resumed = both()
    resumed.set_state(state)
    found = next(resumed)
    for name in ("target", "other"):
        np.testing.assert_array_equal(found[name]["ids"], expected[name]["ids"])


def test_extras_and_shared_fields_are_made_of_the_batchs_rows():
    model = tiny.make(tiny.TOKENWISE)
    field = pipeline.Field(
        text=model.text,
        kind="query",
        extras={
            "number": lambda rows, _: np.array([i for i, _ in rows]),
            "double": lambda _, arrays: 2 * arrays["ids"],
        },
    )
    stream = pipeline.stream(
        _Texts(),
        groups=[(np.arange(32), 1.0)],
        fields={"target": field},
        batch_size=4,
        window=2,
        buckets=(16,),
        seed=0,
        shared={"count": lambda rows, own: {"n": np.array([len(rows), *own])}},
    )
    batch = next(pipeline.batches([stream]))
    assert batch["target"]["number"].tolist() == _numbers(batch)
    np.testing.assert_array_equal(batch["target"]["double"], 2 * batch["target"]["ids"])
    assert batch["count"]["n"].tolist() == [4, 0, 1, 2, 3]
