import json
from pathlib import Path

import pytest

from optical_jax import prepare

PRESET = """
from optical_jax import config
from optical_jax.data.sources import BitextSource

def get_config():
    source = BitextSource(name="news", format="moses", source="n.en", target="n.sw")
    return config.Config(data=config.DataConfig(sources=(source,), root={root!r}))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a bitext with a preset that names it, and a collection that overlaps it."""
    english = [f"This is sentence number {i}" for i in range(30)]
    swahili = [f"Hii ni sentensi namba {i}" for i in range(30)]
    (tmp_path / "n.en").write_text("\n".join(english))
    (tmp_path / "n.sw").write_text("\n".join([*swahili[:-1], english[-1]]))
    (tmp_path / "preset.py").write_text(PRESET.format(root=str(tmp_path)))
    collection = tmp_path / "tiny"
    (collection / "queries").mkdir(parents=True)
    row = json.dumps({"_id": "1", "text": "This is sentence number 7"})
    (collection / "corpus.jsonl").write_text(row)
    (collection / "queries" / "sw.jsonl").write_text(row)
    return tmp_path


def _bitext(folder: Path, *more: str) -> int:
    preset, cache = str(folder / "preset.py"), str(folder / "cache")
    return prepare.main(
        ["bitext", "--config", preset, "--data.cache_dir", cache, *more]
    )


def test_bitext_shows_what_was_dropped(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    assert _bitext(folder, "--data.exclude", str(folder / "tiny")) == 0
    shown = capsys.readouterr().out
    counts = [line.split() for line in shown.splitlines()]
    # read, empty, long, copy, script, length ratio, overlap, duplicate, kept
    assert ["news", "30", "0", "0", "1", "0", "0", "1", "0", "28"] in [
        row[:10] for row in counts
    ]
    directory = next((folder / "cache").glob("bitext-*"))
    assert f"prepared in {directory}" in shown


def test_synthetic_pairs_are_counted_and_shown(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    (folder / "sw.txt").write_text("this hii\nnumber namba\n")
    made = """
    return config.Config(data=config.DataConfig(root={root!r}, sources=(source,), synthetic=(
        SyntheticSource(name="glossed", kind="code-switch", dictionaries=(
            DictionarySource(format="muse", path="sw.txt"),)),)))
from optical_jax.data.dictionaries import DictionarySource
from optical_jax.data.synthetic import SyntheticSource
"""
    preset = PRESET.partition("    return")[0] + made
    (folder / "made.py").write_text(preset.format(root=str(folder)))
    arguments = ["--config", str(folder / "made.py"), "--data.cache_dir"]
    assert prepare.main(["synthetic", *arguments, str(folder / "cache")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "This is sentence number 0 Hii is sentence namba 0" in shown
    assert f"prepared in {next((folder / 'cache').glob('synthetic-*'))}" in shown
    arguments[1] = str(folder / "preset.py")
    assert prepare.main(["synthetic", *arguments, str(folder / "cache")]) == 1
    assert "data.synthetic is empty" in capsys.readouterr().err


def test_a_lexicon_is_written(folder: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["--config", str(folder / "preset.py"), "--data.cache_dir"]
    assert prepare.main(["lexicon", *arguments, str(folder / "cache")]) == 0
    path = next((folder / "cache").glob("lexicon-*.tsv"))
    assert capsys.readouterr().out == f"lexicon in {path}\n"
    assert "sentence\tsentensi\t" in path.read_text()


def test_collection_is_prepared(folder: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = [str(folder / "tiny"), "--data_dir", str(folder / "cache")]
    assert prepare.main(["collection", *arguments]) == 0
    shown = capsys.readouterr().out
    directory = next((folder / "cache").glob("tiny-*"))
    assert f"1 documents, prepared in {directory}" in shown


def test_errors_are_one_message_and_a_status(
    folder: Path, capsys: pytest.CaptureFixture
) -> None:
    (folder / "n.sw").write_text("moja\n")
    assert _bitext(folder) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert message.startswith("error: ")
    assert "has 30 lines but" in message


def test_unknown_command_shows_the_usage(capsys: pytest.CaptureFixture) -> None:
    assert prepare.main(["corpus"]) == 2
    assert prepare.main(["--help"]) == 0
    assert "prepare bitext --config" in capsys.readouterr().err
