import dataclasses
from pathlib import Path

import pytest

from optical_jax.config import Config
from optical_jax.config_io import load_preset
from optical_jax.studies import grid
from optical_jax.studies.grid import Axis, Base, Grid, Study

KIN = Base(name="kin", config=Config(name="a"), collection="c", queries=("kin-test",))
IBO = Base(name="ibo", config=Config(name="b"), collection="c", queries=("ibo-test",))
EPSILON = grid.numeric("epsilon", "objective.transport.epsilon", 0.05, 0.1)
METHODS = Axis(
    settings={"transport": {}, "longer": {"steps": 2000, "optimizer.warmup_steps": 9}}
)


def _study(*grids, reference="transport", **fields):
    return Study(name="s", grids=grids, reference=reference, **fields)


def test_cells_are_bases_times_settings_times_seeds_in_order():
    study = _study(Grid(bases=(KIN, IBO), axes=(METHODS,), seeds=(0, 1)))
    assert [cell.name for cell in study.cells] == [
        "kin/transport/0",
        "kin/transport/1",
        "ibo/transport/0",
        "ibo/transport/1",
        "kin/longer/0",
        "kin/longer/1",
        "ibo/longer/0",
        "ibo/longer/1",
    ]
    last = study.cells[-1]
    assert (last.config.seed, last.config.steps) == (1, 2000)
    assert last.config.optimizer.warmup_steps == 9


def test_labels_of_several_axes_make_a_name():
    study = _study(
        Grid(bases=(KIN,), axes=(METHODS, EPSILON)), reference="longer, epsilon 0.1"
    )
    names = [cell.method for cell in study.cells]
    assert names[0] == "transport, epsilon 0.05"
    assert names[-1] == "longer, epsilon 0.1"
    assert study.cells[-1].config.objective.transport.epsilon == 0.1
    assert EPSILON.numbers == {"0.05": 0.05, "0.1": 0.1}
    assert METHODS.numbers is None
    assert Axis(settings={"0": {}, "1": {}}).numbers is None


def test_equal_cells_share_a_run_and_grids_a_cell(tmp_path):
    study = _study(
        Grid(bases=(KIN,), axes=(METHODS,)),
        Grid(bases=(KIN,), axes=(EPSILON,)),
        Grid(bases=(KIN,), axes=(METHODS,), seeds=(0, 1)),
    )
    assert [cell.name for cell in study.cells] == [
        "kin/transport/0",
        "kin/longer/0",
        "kin/epsilon 0.05/0",
        "kin/epsilon 0.1/0",
        "kin/transport/1",
        "kin/longer/1",
    ]
    assert list(study.cells[0].labels) == [0, 2]
    runs = grid.runs(study, tmp_path)
    # Epsilon is 0.05 by default.
    assert runs["kin/epsilon 0.05/0"] is runs["kin/transport/0"]
    assert len({run.folder for run in runs.values()}) == 5
    run = runs["kin/epsilon 0.1/0"]
    assert run.folder == tmp_path / "kin" / "epsilon-0.1" / "seed-0"
    assert not run.fused
    assert runs["kin/epsilon 0.05/0"].fused


def test_a_method_with_several_seeds_has_an_average(tmp_path):
    grids = (
        Grid(bases=(KIN, IBO), axes=(METHODS,)),
        Grid(bases=(KIN,), axes=(METHODS,), seeds=(0, 1, 2)),
    )
    study = _study(*grids, averaged=True)
    runs = grid.runs(study, tmp_path)
    found = grid.averages(study, runs)
    assert [(one.base.name, one.name) for one in found] == [
        ("kin", "transport, averaged"),
        ("kin", "longer, averaged"),
    ]
    assert found[1].runs == tuple(runs[f"kin/longer/{seed}"] for seed in (0, 1, 2))
    # Of other seeds it is another one.
    assert found[1].folder == tmp_path / "kin" / "longer" / "averaged-0-1-2"
    assert grid.averages(_study(*grids), runs) == []


def test_a_study_without_axes_has_one_method(tmp_path):
    study = _study(Grid(bases=(KIN,)), reference="student")
    assert list(grid.runs(study, tmp_path)) == ["kin/student/0"]


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match=r"reference must be one of .* got 'greedy'"):
        _study(Grid(bases=(KIN,), axes=(METHODS,)), reference="greedy")
    other = dataclasses.replace(IBO, name="kin")
    with pytest.raises(ValueError, match=r"bases need names that differ"):
        _study(Grid(bases=(KIN, other), axes=(METHODS,)))
    changed = Axis(settings={"transport": {"steps": 3, "optimizer.warmup_steps": 0}})
    with pytest.raises(ValueError, match=r"'transport' of 'kin' has two different"):
        _study(Grid(bases=(KIN,), axes=(METHODS,)), Grid(bases=(KIN,), axes=(changed,)))
    with pytest.raises(ValueError, match=r"measures must be some of .* got P@3"):
        _study(Grid(bases=(KIN,), axes=(METHODS,)), measures=("P@3",))
    with pytest.raises(ValueError, match=r"axis 'x' must have settings"):
        Axis(name="x", settings={})
    with pytest.raises(ValueError, match=r"steps must be at least 1"):
        _study(Grid(bases=(KIN,), axes=(Axis(settings={"t": {"steps": 0}}),)))
    with pytest.raises(ValueError, match=r"name of a study names its files"):
        Study(name="a b", grids=(Grid(bases=(KIN,)),), reference="student")


@pytest.mark.parametrize("name", ["objectives", "ablations"])
def test_the_studies_of_this_project_are_valid(name, tmp_path):
    path = Path(__file__).parents[2] / "configs" / "studies" / f"{name}.py"
    study = load_preset(path, getter="get_study", kind=Study)
    assert study.name == name
    runs = grid.runs(study, tmp_path)
    assert len({run.folder for run in runs.values()}) == len(
        {run.name for run in runs.values()}
    )
    assert all(run.base.topline_queries for run in runs.values())


def test_weights_are_given_or_chosen():
    with pytest.raises(ValueError, match=r"fusion_weights are chosen on tune_queries"):
        dataclasses.replace(KIN, fusion_weights=(0.8, 0.2), tune_queries=("dev",))
