import dataclasses
import gzip
import json

import pytest

from optical_jax.config import DataConfig, TeacherConfig
from optical_jax.data.sources import BitextSource
from optical_jax.studies import bench, grid
from optical_jax.studies.archive import Archive
from optical_jax.studies.bench import Measured
from optical_jax.studies.ledger import Ledger
from tests.studies import made_up

STUDY = made_up.study()
SUMMARY = {"steps": 1000, "objective": {"mix": "transport"}}


def _measured(base, *tried):
    rows = [made_up.row(base.name, method) for method in tried]
    names = [row["method"] for row in rows]
    return Measured(asked=bench.asked(base, names), rows=rows, seconds=2.5)


def _runs(root):
    return grid.runs(STUDY, root)


def _ledger(folder):
    path = folder / "made-up.runs.jsonl.gz"
    archive = Archive(path, measures=made_up.MEASURES)
    return archive, Ledger(folder / "runs", archive)


def test_a_kept_run_is_done_where_its_folder_is_not(tmp_path):
    archive, ledger = _ledger(tmp_path)
    run = _runs(tmp_path / "here")["kin/greedy/0"]
    assert ledger.standing(run).state == "new"
    assert ledger.measured(run) is None
    found = _measured(run.base, "greedy")
    archive.keep(run.name, run.config, found, SUMMARY)
    # Read again, on a machine where everything lies elsewhere.
    _, ledger = _ledger(tmp_path)
    moved = _runs(tmp_path / "there")["kin/greedy/0"]
    data = dataclasses.replace(moved.config.data, root="/x", cache_dir="/y")
    moved = dataclasses.replace(
        moved, config=dataclasses.replace(moved.config, data=data)
    )
    assert ledger.standing(moved).state == "done"
    assert ledger.standing(moved).step == moved.config.steps
    assert ledger.measured(moved) == found
    assert ledger.summary(moved) == SUMMARY
    assert ledger.standing(_runs(tmp_path)["kin/greedy/1"]).state == "new"


def test_a_run_of_the_reference_is_done_with_its_fusion_alone(tmp_path):
    bitext = dataclasses.replace(
        made_up.BASES[0].config,
        data=DataConfig(sources=(BitextSource(name="a", format="tsv", source="a"),)),
    )
    run = dataclasses.replace(
        _runs(tmp_path)["kin/transport/0"],
        base=dataclasses.replace(made_up.BASES[0], config=bitext),
    )
    assert run.fused
    archive, ledger = _ledger(tmp_path)
    archive.keep(run.name, run.config, _measured(run.base, "transport"), SUMMARY)
    assert ledger.standing(run).state == "new"
    both = _measured(run.base, "transport", "fusion")
    archive.keep(run.name, run.config, both, SUMMARY)
    assert ledger.measured(run) == both


def test_another_config_or_other_queries_are_not_taken(tmp_path):
    archive, ledger = _ledger(tmp_path)
    run = _runs(tmp_path)["kin/greedy/0"]
    archive.keep(run.name, run.config, _measured(run.base, "greedy"), SUMMARY)
    longer = dataclasses.replace(
        run, config=dataclasses.replace(run.config, steps=1200)
    )
    with pytest.raises(
        ValueError,
        match=r"runs.jsonl.gz has kin/greedy/0 of another config \(steps: 1001 -> 1200\)",
    ):
        ledger.standing(longer)
    base = dataclasses.replace(run.base, queries=("kin-dev",))
    assert ledger.standing(dataclasses.replace(run, base=base)).state == "new"
    other = Archive(
        tmp_path / "made-up.runs.jsonl.gz", measures=(*made_up.MEASURES, "AP")
    )
    assert other.find(run.name, run.config) is None


def test_baselines_depend_on_bitext_and_teacher_alone(tmp_path):
    archive, ledger = _ledger(tmp_path)
    base = made_up.BASES[0]
    assert ledger.baselines(base) is None
    found = _measured(base, "bm25", "ibm1+bm25")
    archive.keep("kin/baselines", base.config, found)
    longer = dataclasses.replace(
        base, config=dataclasses.replace(base.config, steps=1200)
    )
    assert ledger.baselines(longer) == found
    taught = dataclasses.replace(base.config, teacher=TeacherConfig(path="a/B"))
    with pytest.raises(ValueError, match=r"another config \(teacher.path:  -> B\)"):
        ledger.baselines(dataclasses.replace(base, config=taught))


def test_archives_of_two_machines_are_joined_by_cat(tmp_path):
    runs = _runs(tmp_path)
    made = []
    for name in ("kin/greedy/0", "ibo/greedy/0"):
        folder = tmp_path / name.replace("/", "-")
        archive, _ = _ledger(folder)
        run = runs[name]
        archive.keep(run.name, run.config, _measured(run.base, "greedy"), SUMMARY)
        made.append((folder / "made-up.runs.jsonl.gz").read_bytes())
    (tmp_path / "made-up.runs.jsonl.gz").write_bytes(b"".join(made))
    _, ledger = _ledger(tmp_path)
    for name in ("kin/greedy/0", "ibo/greedy/0"):
        assert ledger.standing(runs[name]).state == "done"


def test_the_same_lines_are_the_same_bytes(tmp_path):
    archive, _ = _ledger(tmp_path)
    run = _runs(tmp_path)["kin/greedy/0"]
    found = _measured(run.base, "greedy")
    path = tmp_path / "made-up.runs.jsonl.gz"
    archive.keep(run.name, run.config, found, SUMMARY)
    before = path.read_bytes()
    again, _ = _ledger(tmp_path)
    again.keep(run.name, run.config, found, SUMMARY)
    assert path.read_bytes() == before
    again.keep(run.name, run.config, dataclasses.replace(found, seconds=3.0), SUMMARY)
    (line,) = gzip.decompress(path.read_bytes()).splitlines()
    assert set(json.loads(line)["made"]) == {"commit", "date", "machine"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "no line of a study's archive"),
        ("[1]", "no line of a study's archive"),
        ('{"name": "kin/greedy/0"}', "KeyError: 'measured'"),
    ],
)
def test_a_damaged_archive_is_named(tmp_path, line, why):
    path = tmp_path / "made-up.runs.jsonl.gz"
    path.write_bytes(gzip.compress(f"{line}\n".encode()))
    with pytest.raises(ValueError, match=rf"runs.jsonl.gz, line 1.*{why}"):
        _ledger(tmp_path)


def test_an_archive_that_is_cut_off_is_named(tmp_path):
    path = tmp_path / "made-up.runs.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}\n" * 1000)[:-9])
    with pytest.raises(ValueError, match=r"runs.jsonl.gz.*(damaged|no line)"):
        _ledger(tmp_path)
