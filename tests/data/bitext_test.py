import dataclasses
from pathlib import Path

import pytest

from optical_jax.data import bitext
from optical_jax.data.clean import CleaningConfig
from optical_jax.data.sources import BitextSource

NEWS = BitextSource(name="news", format="moses", source="n.en", target="n.sw")
BOOK = BitextSource(name="book", format="tsv", source="b.tsv")
CONFIG = CleaningConfig()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write 60 sentences of news, and a book that has a second version of half of them."""
    english = [f"This is sentence number {i}" for i in range(60)]
    swahili = [f"Hii ni sentensi namba {i}" for i in range(60)]
    (tmp_path / "n.en").write_text("\n".join(english) + "\nsame\n")
    (tmp_path / "n.sw").write_text("\n".join(swahili) + "\nsame\n")
    rows = [f"{english[i]}\tHuu ndio mstari wa {i}" for i in range(30, 60)]
    (tmp_path / "b.tsv").write_text("\n".join([f"{english[0]}\t{swahili[0]}", *rows]))
    return tmp_path


def _prepare(root: Path, *given: BitextSource, **options) -> bitext.Bitext:
    return bitext.prepare(
        given or (NEWS, BOOK),
        **{"root": root, "data_dir": root / "cache", "cleaning": CONFIG} | options,
    )


def test_splits_origins_and_report_agree(root: Path) -> None:
    prepared = _prepare(root, validation_fraction=0.3)
    news, book = prepared.report["news"], prepared.report["book"]
    assert (news["read"], news["copy"], news["kept"]) == (61, 1, 60)
    assert (book["read"], book["duplicate"], book["kept"]) == (31, 1, 30)
    for split in ("train", "validation"):
        rows = prepared.split(split)
        origins = prepared.origins(split)
        assert sum(map(len, origins.values())) == len(rows)
        for origin, indices in origins.items():
            assert len(indices) == prepared.report[origin][split]
            assert {rows[int(i)]["origin"] for i in indices} == {origin}
    assert prepared.split("train")[0].keys() == {"id", "origin", "source", "target"}
    ids = {
        row["id"] for split in ("train", "validation") for row in prepared.split(split)
    }
    assert len(ids) == 90
    assert "book/1" in ids


def test_a_source_sentence_is_never_in_both_splits(root: Path) -> None:
    prepared = _prepare(root, validation_fraction=0.3)
    train, held = (
        {row["source"] for row in prepared.split(name)}
        for name in ("train", "validation")
    )
    assert 8 <= len(held) <= 28
    assert not train & held
    assert len({row["origin"] for row in prepared.split("validation")}) == 2


def test_same_inputs_are_prepared_once(root: Path) -> None:
    first = _prepare(root)
    written = next(first.directory.rglob("*train*")).stat().st_mtime_ns
    heavier = dataclasses.replace(NEWS, weight=3.0)
    again = _prepare(root, heavier, BOOK)
    assert again == first
    assert next(again.directory.rglob("*train*")).stat().st_mtime_ns == written


def test_other_inputs_or_settings_make_another_directory(root: Path) -> None:
    made = {
        _prepare(root).directory,
        _prepare(root, seed=1).directory,
        _prepare(root, validation_fraction=0.1).directory,
        _prepare(root, cleaning=CleaningConfig(copies=False)).directory,
        _prepare(root, excluded_texts={"x"}).directory,
        _prepare(root, BOOK, NEWS).directory,
    }
    with (root / "b.tsv").open("a") as file:
        file.write("\nOne more\tMoja zaidi")
    made.add(_prepare(root).directory)
    assert len(made) == 7


def test_validation_has_at_least_one_sentence_unless_none_is_asked_for(
    root: Path,
) -> None:
    assert len(_prepare(root, BOOK, validation_fraction=1e-9).split("validation")) == 1
    whole = _prepare(root, BOOK, validation_fraction=0.0)
    assert len(whole.split("train")) == 31
    with pytest.raises(ValueError, match="no split 'validation'; it has train"):
        whole.origins("validation")


def test_excluded_texts_are_kept_out(root: Path) -> None:
    prepared = _prepare(root, excluded_texts={"This is sentence number 31!"})
    assert [prepared.report[name]["overlap"] for name in ("news", "book")] == [1, 1]


def test_bad_settings(root: Path) -> None:
    with pytest.raises(ValueError, match=r"names that differ.*\['news', 'news'\]"):
        _prepare(root, NEWS, NEWS)
    with pytest.raises(ValueError, match=r"below 1, got 1.0"):
        _prepare(root, validation_fraction=1.0)
    (root / "n.en").write_text("same\n")
    (root / "n.sw").write_text("same\n")
    with pytest.raises(ValueError, match=r"no pair is left to train on.*'copy': 1"):
        _prepare(root, NEWS)
    assert not list((root / "cache").glob("*"))


def test_a_limit_draws_from_all_sources_and_lower_ones_from_higher_ones(root):
    prepared = _prepare(root, validation_fraction=0.1)
    drawn = {}
    for limit in (20, 40, 1000):
        part = dataclasses.replace(prepared, limit=limit)
        rows, origins = part.split("train"), part.origins("train")
        assert len(rows) == min(limit, len(prepared.split("train")))
        assert sum(map(len, origins.values())) == len(rows)
        for origin, indices in origins.items():
            assert len(indices) > 3
            assert {rows[int(i)]["origin"] for i in indices} == {origin}
        drawn[limit] = {row["id"] for row in rows}
        assert part.split("validation")[:] == prepared.split("validation")[:]
    assert drawn[20] < drawn[40] < drawn[1000]
    assert len(dataclasses.replace(prepared, limit=20).pairs("train")) == 20
