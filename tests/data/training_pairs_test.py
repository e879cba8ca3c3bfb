import numpy as np
import pytest

from optical_jax.data import bitext
from optical_jax.data.clean import CleaningConfig
from optical_jax.data.sources import Pair
from optical_jax.data.training_pairs import Joined, TrainingPairs


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> TrainingPairs:
    root = tmp_path_factory.mktemp("pairs")
    given = {
        "real": {"news": 20, "book": 10},
        "made": {"phrases": 6},
    }
    for name, sizes in given.items():
        read = {
            source: [Pair(f"{source} {i}", f"habari {source} {i}") for i in range(size)]
            for source, size in sizes.items()
        }
        bitext.write(
            root / name,
            read,
            cleaning=CleaningConfig(ratio_deviations=0.0),
            excluded_texts=frozenset(),
            validation_fraction=0.2 if name == "real" else 0.0,
        )
    return TrainingPairs((bitext.Bitext(root / "real"), bitext.Bitext(root / "made")))


def test_records_and_pairs_are_in_the_same_order(pairs: TrainingPairs) -> None:
    rows = pairs.records()[:]
    assert [Pair(r["source"], r["target"]) for r in rows] == pairs.pairs()
    assert (
        len(rows)
        == len(pairs.records())
        == sum(c["train"] for c in pairs.report.values())
    )
    assert pairs.report["phrases"] | {"validation": 0} == pairs.report["phrases"]


def test_groups_are_the_sources_with_their_weights(pairs: TrainingPairs) -> None:
    rows = pairs.records()
    weights = {"news": 1.0, "book": 0.5, "phrases": 2.0}
    groups = pairs.groups(weights)
    assert [weight for _, weight in groups] == list(weights.values())
    for (indices, _), name in zip(groups, weights, strict=True):
        assert {row["origin"] for row in rows.__getitems__(indices.tolist())} == {name}
    everything = np.sort(np.concatenate([indices for indices, _ in groups]))
    np.testing.assert_array_equal(everything, np.arange(len(rows)))


def test_joined_gives_records_in_the_order_that_is_asked_for(
    pairs: TrainingPairs,
) -> None:
    splits = [part.split("train") for part in pairs.parts]
    joined = Joined(splits)
    expected = [row for split in splits for row in split[:]]
    order = np.random.default_rng(0).permutation(len(expected)).tolist()
    assert joined.__getitems__(order) == [expected[i] for i in order]
    assert joined[-1] == expected[-1]
    assert joined[3:5] == expected[3:5]
    with pytest.raises(IndexError):
        joined[len(expected)]
