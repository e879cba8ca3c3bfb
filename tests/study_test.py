import gzip
import json
import shutil
from pathlib import Path
from unittest import mock

import jax
import pytest
import rich.console

from optical_jax import study, train
from optical_jax.models import average
from optical_jax.studies import overrides, runner
from optical_jax.studies.bench import Benches
from optical_jax.studies.grid import Axis, Base, Grid, Study
from optical_jax.training import sharding, workdir
from tests.retrieval import world
from tests.training import tiny_run

# No setting changes the compiled program.
METHODS = Axis(settings={"all": {}, "few": {"data.pairs": 40}})
BROKEN = Axis(settings={"broken": {"student.path": "/no/such/folder"}})


@pytest.fixture(scope="module", autouse=True)
def _one_device():
    """Train on one of the eight devices: the program compiles in a fraction of the time."""
    mesh = jax.make_mesh(
        (1, 1, 1),
        ("data", "fsdp", "tensor"),
        axis_types=(jax.sharding.AxisType.Auto,) * 3,
        devices=jax.devices()[:1],
    )
    with mock.patch.object(sharding, "make_mesh", return_value=mesh):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    tiny_run.write_inputs(path)
    for folder in ("collections/toy", "elsewhere"):
        world.write(path / folder)
    return path


def _study(root, *axes):
    """Every method of some axes, and a second seed of "few"."""
    axes = axes or (METHODS,)
    config = tiny_run.config(root, root / "unused", eval_every=6, save_every=6)
    excluded = {"data.exclude": [str(root / "elsewhere"), "usual/toy"]}
    config = overrides.apply(config, excluded)
    base = Base(
        name="xx",
        config=config,
        collection="toy",
        queries=("xx-test",),
        topline_queries=("en-test",),
        fusion_weights=(0.7, 0.3),
    )
    few = Axis(settings={"few": axes[0].settings["few"]})
    grids = [Grid(bases=(base,), axes=(axis,)) for axis in axes]
    grids.append(Grid(bases=(base,), axes=(few,), seeds=(0, 1)))
    return Study(
        name="tiny",
        grids=tuple(grids),
        reference="all",
        measures=("R@1", "RR@10"),
        averaged=True,
    )


def _options(root, **fields):
    return study.Options(
        **{
            "config": Path("unused"),
            "collections": root / "collections",
            "workdir": root / "runs",
            "cache": root / "cache",
            "samples": 100,
            "probe": 2,
            **fields,
        }
    )


def _run(root, made, **fields):
    console = rich.console.Console(record=True, width=200, quiet=False)
    with open("/dev/null", "w") as nowhere:
        console.file = nowhere
        report = study.run(made, _options(root, **fields), console=console)
    return report, console.export_text()


@pytest.fixture(scope="module")
def planned(root):
    """The printed plan of a dry run, which trains the first run's first steps."""
    report, told = _run(root, _study(root), dry_run=True)
    assert report.written == []
    return told


@pytest.fixture(scope="module")
def finished(root, planned):
    """All runs, with one that fails between them."""
    return _run(root, _study(root, METHODS, BROKEN))


@pytest.mark.long
def test_a_dry_run_prints_runs_steps_and_hours_and_trains_a_probe_alone(root, planned):
    assert "timing 2 steps of xx/all/0" in planned
    assert "3 runs, 0 done; 3 to go" in planned
    (line,) = [x for x in planned.splitlines() if x.startswith(" xx/all/0")]
    assert line.split()[:3] == ["xx/all/0", "started", "4"]
    assert float(line.split()[3]) > 0
    assert "16 steps, about 0.0 hours" in planned


@pytest.mark.long
def test_the_probed_run_went_on_and_a_failing_one_stopped_no_other(root, finished):
    report, told = finished
    assert list(report.failures) == ["xx/broken/0"]
    assert "failed: xx/broken/0: " in told
    runs = root / "runs" / "xx"
    lines = (runs / "all" / "seed-0" / "metrics.jsonl").read_text().splitlines()
    assert [r["step"] for r in map(json.loads, lines) if "loss" in r] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    failure = (runs / "broken" / "seed-0" / "failure.txt").read_text()
    assert "/no/such/folder" in failure


@pytest.mark.long
def test_the_record_has_methods_by_seed_and_baselines_once(root, finished):
    report, _ = finished
    record = json.loads(report.written[0].read_text())
    assert record["name"] == "tiny"
    assert record["missing"] == 1
    counted = [(row["method"], row["seed"]) for row in record["rows"]]
    for method in ("bm25", "ibm1+bm25", "zero-shot", "topline", "bm25-topline"):
        assert counted.count((method, 0)) == 1
    for method, seeds in (("all", [0]), ("few", [0, 1]), ("fusion", [0])):
        assert [s for m, s in counted if m == method] == seeds
    assert "xx-test" in record["significance"]
    assert set(record["runs"]) == {"xx/all/0", "xx/few/0", "xx/few/1"}
    told = record["runs"]["xx/few/1"]
    assert told["train_seconds"] > 0
    assert str(root) not in json.dumps(record)
    measured = next((root / "runs").glob("xx/all/**/measures.json"))
    rows = json.loads(measured.read_text())["rows"]
    (weights,) = (r["details"]["weights"] for r in rows if r["method"] == "fusion")
    assert weights == {"student": 0.7, "ibm1+bm25": 0.3}
    page = report.written[1].read_text()
    assert "| method | xx-test |" in page
    assert report.written[2].suffix == ".png"


@pytest.mark.long
def test_the_seeds_of_a_method_are_measured_as_one_encoder(root, finished):
    report, _ = finished
    record = json.loads(report.written[0].read_text())
    rows = {(row["method"], row["seed"]): row["measures"] for row in record["rows"]}
    assert [s for m, s in rows if m == "few, averaged"] == [0]
    assert not any(m.startswith("broken") for m, _ in rows)
    folders = [root / "runs" / "xx" / "few" / f"seed-{i}" for i in (0, 1)]
    students = [workdir.load_student(folder) for folder in folders]
    mean = average.average(students[0], students[1:])
    placed = study._placed(_study(root), {}, root / "collections")
    base = placed.grids[0].bases[0]
    found = Benches(root / "collections", cache=root / "cache", told=lambda *_: None)
    folder = root / "by_hand"
    found.bench(base).measure_student(mean, folder, fused=False)
    (row,) = json.loads((folder / "measures.json").read_text())["rows"]
    assert rows["few, averaged", 0] == row["measures"]
    assert "| few, averaged |" in report.written[1].read_text()


@pytest.mark.long
def test_what_is_finished_is_not_run_again(root, finished, monkeypatch):
    monkeypatch.setattr(train, "run", lambda config: pytest.fail(config.name))
    monkeypatch.setattr(
        runner, "measure_baselines", lambda *_: pytest.fail("baselines")
    )
    report, told = _run(root, _study(root))
    assert report.failures == {}
    assert "3 runs, 3 done; 0 to go: 0 steps" in told
    assert json.loads(report.written[0].read_text())["missing"] == 0


@pytest.mark.long
def test_the_archive_alone_makes_the_same_record(root, finished, monkeypatch, tmp_path):
    report, _ = finished
    archive = root / "runs" / "tiny.runs.jsonl.gz"
    shutil.copy(archive, tmp_path)
    assert str(root) not in gzip.decompress(archive.read_bytes()).decode()
    for name in ("measure_baselines", "execute", "execute_average"):
        monkeypatch.setattr(runner, name, lambda *_, name=name: pytest.fail(name))
    elsewhere = {"workdir": tmp_path / "lost", "output": tmp_path}
    again, told = _run(root, _study(root), **elsewhere)
    assert "3 runs, 3 done; 0 to go: 0 steps" in told
    kept, made = (json.loads(r.written[0].read_text()) for r in (report, again))
    for part in ("rows", "runs", "significance", "seconds"):
        assert made[part] == kept[part]
    assert (tmp_path / archive.name).read_bytes() == archive.read_bytes()
    with pytest.raises(
        ValueError, match=r"xx/all/0 of another config \(steps: 6 -> 7\)"
    ):
        _run(root, _study(root), set=("steps=7",), **elsewhere)


@pytest.mark.long
def test_folders_go_once_their_measures_are_kept_but_for_seeds_to_average(
    root, finished, tmp_path
):
    runs = tmp_path / "runs"
    shutil.copytree(root / "runs", runs)
    # Of one that is to be measured again the folder goes afterwards.
    shutil.rmtree(runs / "xx" / "all" / "seed-0" / "evaluation")
    (runs / "tiny.runs.jsonl.gz").unlink()
    report, told = _run(root, _study(root), workdir=runs, discard=True)
    assert "3 runs, 2 done; 1 to go" in told
    assert not list((runs / "xx").glob("all/*"))
    assert {p.name for p in (runs / "xx" / "few").iterdir()} >= {"seed-0", "seed-1"}
    kept = finished[0].written[0]
    for part in ("rows", "significance"):
        found = [json.loads(p.read_text())[part] for p in (report.written[0], kept)]
        assert found[0] == found[1]
    again, told = _run(root, _study(root), workdir=runs, discard=True)
    assert "3 runs, 3 done" in told
    assert again.failures == {}


@pytest.mark.long
def test_only_some_runs(root, finished):
    _, told = _run(root, _study(root), only=("xx/few/*",), dry_run=True)
    assert "2 runs, 2 done" in told
    with pytest.raises(ValueError, match=r"only must match a run, like 'xx/all/0'"):
        _run(root, _study(root), only=("yy/*",))


def test_bad_input_stops_before_any_run(root, monkeypatch):
    monkeypatch.setattr(train, "run", lambda config: pytest.fail(config.name))
    with pytest.raises(ValueError, match=r"'seeed' is no field .* 'seed'\?"):
        _run(root, _study(root), set=("seeed=1",))
    with pytest.raises(FileNotFoundError, match=r"nowhere"):
        _run(root, _study(root), collections=root / "nowhere")


@pytest.mark.long
def test_the_collection_is_kept_out_of_the_bitext_wherever_it_lies(root, finished):
    config = workdir.read_config(root / "runs" / "xx" / "all" / "seed-0")
    assert config.data.exclude == (
        str(root / "elsewhere"),
        str(root / "collections" / "toy"),
    )


@pytest.mark.long
def test_another_config_in_a_folder_is_refused(root, finished):
    with pytest.raises(ValueError, match=r"another config \(steps: 6 -> 7\)"):
        _run(root, _study(root), set=("steps=7",))


@pytest.mark.long
def test_another_config_of_a_run_that_is_not_chosen_is_refused_before_any_run(
    root, finished, monkeypatch
):
    monkeypatch.setattr(train, "run", lambda config: pytest.fail(config.name))
    changed = Axis(
        settings={"all": {}, "few": {"data.pairs": 41}, "new": {"data.pairs": 30}}
    )
    with pytest.raises(ValueError, match=r"another config \(data.pairs: 40 -> 41\)"):
        _run(root, _study(root, changed), only=("xx/new/0",))


def test_the_command_says_what_is_wrong(root, capsys, tmp_path):
    preset = tmp_path / "preset.py"
    preset.write_text("get_config = dict\n")
    assert study.main(["--config", str(preset), "--cache", str(root / "cache")]) == 1
    assert "must define get_study() -> Study" in capsys.readouterr().err
