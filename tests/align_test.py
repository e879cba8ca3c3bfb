import json
from pathlib import Path

import pytest

from optical_jax import align, command
from optical_jax.models import folder
from tests.models import tiny

LINES = ["who wrote the book", "habari dunia", "the word", "book who"]


@pytest.fixture(autouse=True)
def _no_compilation_cache(monkeypatch):
    monkeypatch.setattr(command, "set_up", lambda cache: None)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("align")
    folder.save(tiny.make(tiny.TOKENWISE), path / "teacher")
    for name in ("en", "x"):
        (path / name).write_text("\n".join(LINES) + "\n")
    (path / "gold").write_text("0-0 1-1 2-2 3-3\n0-0 1-1\n0-0 1-1\n0-0 1?1\n")
    return path


def _arguments(root, *more, **named):
    named = {
        "document_encoder": root / "teacher",
        "source": root / "en",
        "target": root / "x",
        "cache": root / "cache",
        **named,
    }
    flags = [part for k, v in named.items() if v for part in (f"--{k}", str(v))]
    return [*flags, *more]


def test_the_command_prints_and_writes(root, tmp_path, capsys):
    status = align.main(
        _arguments(root, "--output", str(tmp_path), links=root / "gold")
    )
    assert status == 0
    assert "word links of 4 pairs, by gold links" in capsys.readouterr().out
    record = json.loads((tmp_path / "alignment.json").read_text())
    assert len(record["rows"]) == 6
    assert record["rows"][0]["measures"] == {"R@1": 1.0, "RR": 1.0}
    assert record["words"]["cosine, mutual"]["recall"] == 1
    assert record["words"]["judged_by"] == "gold links"
    assert record["command"].startswith("python -m optical_jax.align")


def test_pairs_and_their_links_are_drawn_together(root):
    options = align.Options(
        document_encoder=str(root / "teacher"),
        source=root / "en",
        target=root / "x",
        links=root / "gold",
        pairs=2,
    )
    pairs, training, gold = align.load(options)
    assert training == []
    assert len(pairs) == len(gold) == 2
    lengths = {line: len(line.split()) for line in LINES}
    for pair, one in zip(pairs, gold, strict=True):
        assert len(one.possible) == lengths[pair.source]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"target": None}, r"source and target must be named both"),
        ({"source": None, "target": None}, r"pairs to measure must come from"),
        ({"threshold": 1.5}, r"threshold in \(0, 1\), got 1000 and 1\.5"),
        ({"source": None, "target": None, "workdir": "w", "links": "l"}, r"not named"),
    ],
)
def test_options_that_name_nothing_to_measure(named, message):
    paths = {"source": "a", "target": "b", **named}
    fields = {k: Path(v) if isinstance(v, str) else v for k, v in paths.items() if v}
    with pytest.raises(ValueError, match=message):
        align.Options(**fields)


def test_a_wrong_file_is_one_line_and_status_1(root, capsys, tmp_path):
    assert align.main(_arguments(root, links=root / "x")) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("error:")
    assert "a link is i-j (sure) or i?j (possible)" in told
    (tmp_path / "short").write_text("0-0\n")
    assert align.main(_arguments(root, links=tmp_path / "short")) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "must have a line for each of 4 pairs, got 1" in told
