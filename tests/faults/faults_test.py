"""Some faults once: `python -m tests.faults.campaign` lets all befall, many times."""

import json

import pytest

from tests.faults import campaign, damages, groups, kills
from tests.faults.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World.make(tmp_path_factory.mktemp("faults"))


# What `make test` has no smaller test of, in less than four minutes on two cores.
@pytest.mark.parametrize(
    ("fault", "trial"),
    [
        (kills.kill, 1),
        (groups.sigterm, 0),
        (damages.disk_full, 0),
        (groups.another_mesh, 0),
        (groups.one_of_four_killed, 1),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_run_survives(fault, trial, world):
    try:
        fault(world, trial)
    except damages.NotPossibleHere as reason:
        pytest.skip(str(reason))


def test_the_record_counts_what_did_not_survive(world, tmp_path, monkeypatch, capsys):
    def odd(world, trial):
        assert trial % 2, f"trial {trial} in {world.root}"
        return {"ratio": 1.2}

    def impossible(world, trial):
        raise damages.NotPossibleHere("no mount")

    faults = {
        "odd": campaign.Fault(odd, 1.0),
        "impossible": campaign.Fault(impossible, 0.5),
    }
    monkeypatch.setattr(campaign, "FAULTS", faults)
    output = tmp_path / "faults.json"
    assert campaign.main(["--trials", "1", "--output", str(output)]) == 1
    # The same command with more trials goes on behind the first.
    assert campaign.main(["--trials", "4", "--output", str(output)]) == 1
    row, other = json.loads(output.read_text())["rows"]
    assert (row["fault"], row["trials"], row["survived"]) == ("odd", 4, 2)
    assert row["ratio"] == 1.2
    assert [failure["trial"] for failure in row["failures"]] == [0, 2]
    assert str(tmp_path) not in row["failures"][0]["said"]
    assert (other["trials"], other["not_possible_here"]) == (0, "no mount")
    assert "2 of 4 survived" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        campaign.main(["--only", "none", "--output", str(output)])


def test_rows_grow_in_step(monkeypatch):
    faults = {
        "many": campaign.Fault(kills.kill, 1.0),
        "few": campaign.Fault(kills.kill),
    }
    monkeypatch.setattr(campaign, "FAULTS", faults)
    record = {"rows": [{"fault": "many", "trials": 6, "survived": 6}]}
    found = campaign.missing(record, list(faults), 20)
    assert found[0] == ("few", 0)
    # Each has done 0.3, 0.35 ... of its trials before.
    assert found[1:6] == [("many", i) for i in range(6, 11)]
    assert found[6] == ("few", 1)
    assert found[7:] == [("many", i) for i in range(11, 20)]
