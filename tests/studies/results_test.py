import dataclasses

import numpy as np
import pytest

from optical_jax.studies import results
from optical_jax.studies.bench import Measured
from optical_jax.studies.grid import Axis
from tests.studies import made_up


@pytest.fixture(scope="module")
def found():
    return made_up.collected()


def test_entries_gather_seeds_and_baselines_occur_once(found):
    entry = found.entries["kin-test", "transport"]
    assert sorted(entry.measures) == [0, 1]
    rows = [made_up.row("kin", "transport", seed=s) for s in (0, 1)]
    assert entry.mean("R@10") == pytest.approx(
        np.mean([r["measures"]["R@10"] for r in rows])
    )
    first = np.mean([r["per_query"]["R@10"]["q0"] for r in rows])
    assert entry.per_query["R@10"]["q0"] == first
    assert list(found.entries["kin-test", "bm25"].measures) == [0]
    assert list(found.entries["kin-test", "epsilon 0.1"].measures) == [0]
    assert ("ibo-test", "epsilon 0.1") not in found.entries


def test_rows_follow_the_schema_of_results_files(found):
    rows = results.as_rows(found)
    assert all(
        list(row) == ["collection", "queries", "method", "seed", "measures"]
        for row in rows
    )
    counted = [(r["queries"], r["method"]) for r in rows]
    assert counted.count(("kin-test", "greedy")) == 2
    assert counted.count(("kin-test", "bm25")) == 1
    assert counted.count(("kin-test", "fusion")) == 2


def test_methods_of_a_grid_stand_between_the_baselines(found):
    first, second = found.study.grids
    assert found.methods(first) == [
        "bm25",
        "ibm1+bm25",
        "transport",
        "greedy",
        "fusion",
        "topline",
    ]
    assert found.methods(second) == [
        "bm25",
        "ibm1+bm25",
        "transport",
        "epsilon 0.02",
        "epsilon 0.1",
        "epsilon 0.5",
        "fusion",
        "topline",
    ]


def test_averages_stand_beside_their_methods():
    made = dataclasses.replace(made_up.study(), averaged=True)

    def measured(one):
        if one.name != "greedy, averaged":
            return None
        rows = [made_up.row(one.base.name, "epsilon 0.02")]
        return Measured(asked={}, rows=rows, seconds=1.0)

    found = made_up.collected(made, average=measured)
    methods = found.methods(made.grids[0])
    assert methods[2:6] == ["transport", "greedy", "greedy, averaged", "fusion"]
    entry = found.entries["ibo-test", "greedy, averaged"]
    expected = made_up.row("ibo", "epsilon 0.02")["measures"]
    assert entry.measures == {0: expected}
    assert found.compared("ibo-test", "greedy, averaged", "R@10") is not None


def test_tests_are_against_the_reference(found):
    assert list(found.significance) == [
        "kin-test",
        "ibo-test",
        "mean of kin-test, ibo-test",
    ]
    for tests in found.significance.values():
        assert all("transport" in (one.a, one.b) for one in tests.results)
    worse = found.compared("kin-test", "greedy", "R@10")
    assert worse.significant
    assert found.compared("kin-test", "transport", "nDCG@10") is None
    assert found.compared("no-test", "greedy", "R@10") is None
    # Two measures of eight methods.
    assert "family of 16" in found.significance["kin-test"].correction


def test_unfinished_runs_are_left_out():
    found = made_up.collected(missing=("kin/transport/0", "kin/transport/1"))
    assert ("kin-test", "transport") not in found.entries
    assert list(found.significance) == ["ibo-test"]
    assert ("kin-test", "greedy") in found.entries


def test_grids_with_the_same_query_sets_are_tested_as_one_family():
    study = made_up.study()
    again = dataclasses.replace(
        study.grids[0], axes=(Axis(settings={"transport": {}}),), seeds=(2,)
    )
    study = dataclasses.replace(study, grids=(*study.grids, again))
    found = made_up.collected(study)
    first, *_, last = found.study.grids
    assert found.mean_name(first) == found.mean_name(last)
    assert "greedy" not in found.methods(last)
    compared = found.compared(found.mean_name(first), "greedy", "R@10")
    assert compared is not None
    assert compared.significant
