import pytest

from optical_jax.studies import table
from tests.studies import made_up

RECORD = {
    "command": "python -m optical_jax.study",
    "date": "2026-01-02T03:04:05+00:00",
    "commit": "abc",
    "machine": "a machine",
}


@pytest.fixture(scope="module")
def found():
    return made_up.collected()


def _cells(text, method):
    (line,) = [x for x in text.splitlines() if x.split("|")[1].strip() == method]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_a_table_has_methods_by_languages_their_mean_and_marks(found):
    grid = found.study.grids[0]
    text = table.table(found, grid, "R@10")
    assert text.splitlines()[0] == "| method | kin-test | ibo-test | mean |"
    entries = [found.entries[f"{x}-test", "greedy"] for x in ("kin", "ibo")]
    kin, _, mean = _cells(text, "greedy")
    value, spread = entries[0].mean("R@10"), entries[0].spread("R@10")
    assert kin == f"{value:.3f} ± {spread:.3f} ▼".replace("0.", ".")
    both = sum(e.mean("R@10") for e in entries) / 2
    assert mean == f"{both:.3f} ▼".replace("0.", ".")
    assert "±" not in _cells(text, "bm25")[0]
    assert not any(mark in _cells(text, "**transport**")[0] for mark in "▲▼")


def test_a_missing_run_leaves_its_cell_and_the_mean_empty():
    found = made_up.collected(missing=("ibo/greedy/0", "ibo/greedy/1"))
    cells = _cells(table.table(found, found.study.grids[0], "R@10"), "greedy")
    assert cells[0]
    assert cells[1:] == ["", ""]


def test_a_page_has_every_grid_and_measure(found):
    text = table.page(found, RECORD)
    for number in (1, 2):
        for measure in made_up.MEASURES:
            assert f"## {measure}, grid {number}" in text
    assert "`python -m optical_jax.study`, 2026-01-02, commit abc, a machine." in text
    assert "worse than transport at 0.05" in text


def test_nothing_finished_is_a_page_without_numbers():
    names = [cell.name for cell in made_up.study().cells]
    text = table.page(made_up.collected(missing=names), RECORD)
    assert "| bm25 |" in text
    assert "▲" not in text


def test_query_sets_without_a_student_have_no_column():
    bases = {base.name: base for g in made_up.study().grids for base in g.bases}
    left_out = next(reversed(bases.values()))
    cells = made_up.study().cells
    missing = [cell.name for cell in cells if cell.base.name == left_out.name]
    results = made_up.collected(missing=missing)
    for grid in results.study.grids:
        kept = [base for base in grid.bases if base.name != left_out.name]
        names = [name for base in kept for name in base.queries]
        if names:
            header = table.table(results, grid, "R@10").splitlines()[0]
            mean = ["mean"] if len(names) > 1 else []
            found = [cell.strip() for cell in header.strip("|").split("|")]
            assert found == ["method", *names, *mean]
