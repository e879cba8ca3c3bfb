import json

import pytest

from optical_jax.studies import cost, grid, runner
from optical_jax.studies.runner import Standing
from tests.studies import made_up


def _record(folder, *lines):
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text + '{"step": 3, "cut')


def _lines(rate, *, validation):
    return [
        {"step": 0, "seconds": 2.0, "validation/RR": 0.1},
        {"step": 1, "seconds": 3.0, "loss": 1.0, "pairs_per_second": rate / 2},
        {"step": 2, "seconds": 4.0, "loss": 1.0, "pairs_per_second": rate},
        {"step": 2, "seconds": 4.0 + validation, "validation/RR": 0.2},
        {"step": 3, "seconds": 9.0, "loss": 1.0, "pairs_per_second": rate * 2},
    ]


@pytest.fixture
def runs(tmp_path):
    return list(
        {r.name: r for r in grid.runs(made_up.study(), tmp_path).values()}.values()
    )


def _estimates(runs, standing=None, **options):
    standings = {r.name: Standing("new", 0) for r in runs} | (standing or {})
    return {e.run.name: e for e in cost.estimate(runs, standings, **options)}


def test_a_recorded_run_tells_its_speed(tmp_path):
    assert cost.recorded(tmp_path) is None
    _record(tmp_path, *_lines(60.0, validation=1.5))
    assert cost.recorded(tmp_path) == cost.Rate(
        pairs_per_second=60.0, validation_seconds=1.5
    )
    _record(tmp_path, {"step": 0, "seconds": 1.0, "validation/RR": 0.1})
    assert cost.recorded(tmp_path) is None


def test_the_cost_by_hand(runs):
    run = runs[0]
    _record(run.folder, *_lines(64.0, validation=2.0))
    found = _estimates(runs, {run.name: Standing("started", 600)})[run.name]
    # 1000 steps of 64, a measure every 250: 400 steps and two measures are left.
    assert found.steps == 400
    assert found.seconds == pytest.approx(400 * 64 / 64 + 2 * 2.0)


def test_other_runs_are_as_fast_as_the_nearest_recorded_ones(runs):
    kin, ibo = (
        next(r for r in runs if r.name == f"{b}/transport/0") for b in ("kin", "ibo")
    )
    _record(kin.folder, *_lines(60.0, validation=0.0))
    _record(ibo.folder, *_lines(30.0, validation=0.0))
    found = _estimates(runs)
    assert found["kin/greedy/0"].rate.pairs_per_second == 60
    assert found["ibo/greedy/1"].rate.pairs_per_second == 30


def test_speed_of_runs_elsewhere_and_of_none(runs, tmp_path):
    assert all(e.seconds is None for e in _estimates(runs).values())
    _record(tmp_path / "before", *_lines(50.0, validation=0.0))
    found = _estimates(runs, elsewhere=[tmp_path / "before", tmp_path / "empty"])
    assert {e.rate.pairs_per_second for e in found.values()} == {50.0}


def test_what_is_done_costs_nothing_more(runs, monkeypatch):
    run = runs[0]
    _record(run.folder, *_lines(60.0, validation=1.0))
    measured = made_up.Measured(asked={}, rows=[], seconds=7.0)
    monkeypatch.setattr(runner, "measured", lambda r: measured if r is run else None)
    states = {
        run.name: Standing("done", 1000),
        runs[1].name: Standing("trained", 1000),
    }
    found = _estimates(runs, states)
    assert found[run.name].seconds == 0
    assert found[runs[1].name].seconds == pytest.approx(7.0)
