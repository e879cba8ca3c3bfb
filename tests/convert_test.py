import dataclasses
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax import config as config_lib
from optical_jax import config_io, convert
from optical_jax.data.sources import BitextSource
from optical_jax.models import adapt, folder, parity, retriever
from optical_jax.retrieval import plaid
from optical_jax.retrieval.encoder_options import HeadOptions
from optical_jax.training import workdir
from tests.models import tiny

# The samples hold a text of 600 words, which the tiny encoder's 32 positions cut.


@pytest.fixture(scope="module")
def colbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "colbert"
    folder.save(tiny.make(tiny.COLBERT), path)
    return path


@pytest.fixture(scope="module")
def tokenwise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "tokenwise"
    folder.save(tiny.make(tiny.TOKENWISE), path)
    return path


def test_pylate(colbert: Path, tmp_path: Path) -> None:
    options = convert.Options(input=colbert, output=tmp_path / "out", license="mit")
    assert convert.convert(options) == 0.0
    assert folder.load(tmp_path / "out").head == folder.load(colbert).head
    assert 'license: "mit"' in (tmp_path / "out" / "README.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_token_vectors_as_single_vectors_are_said_to_be_untrained(
    tokenwise: Path, tmp_path: Path
) -> None:
    options = convert.Options(
        input=tokenwise, output=tmp_path / "out", format="single-vector"
    )
    convert.convert(options)
    found = folder.load(tmp_path / "out")
    assert (found.head.kind, found.head.pooling) == ("single-vector", "mean")
    assert "was not trained" in (tmp_path / "out" / "README.md").read_text()
    (row,) = found.text.queries(["habari dunia"])
    source = folder.load(tokenwise)
    (single,), (several,) = tiny.vectors(found, [row]), tiny.vectors(source, [row])
    assert single.shape == (1, 16)
    assert several.shape == (len(row.ids), 16)


def test_the_card_says_where_readers_disagree() -> None:
    adapted, limits = adapt.adapt(tiny.make(tiny.COLBERT, family="t5"), "pylate")
    assert adapted.head == tiny.COLBERT
    assert "PyLate 1.6 puts the marker behind the first token" in limits[0]
    assert adapt.adapt(tiny.make(tiny.COLBERT), "pylate")[1] == ()
    assert adapt.adapt(tiny.make(tiny.TOKENWISE, family="t5"), "pylate")[1] == ()


def test_the_mean_of_two(tokenwise: Path, tmp_path: Path) -> None:
    first = folder.load(tokenwise)
    moved = jax.tree.map(lambda leaf: leaf * 1.02 + 0.01, first.params)
    folder.save(first.with_params(moved), tmp_path / "other")
    said: list[str] = []
    options = convert.Options(
        input=tokenwise, average=(tmp_path / "other",), output=tmp_path / "out"
    )
    assert convert.convert(options, say=said.append) == 0.0
    assert "the mean of 2 encoders' parameters" in said
    jax.tree.map(
        lambda found, leaf: np.testing.assert_allclose(
            found, leaf * 1.01 + 0.005, atol=1e-6
        ),
        folder.load(tmp_path / "out").params,
        first.params,
    )
    with pytest.raises(ValueError, match="--average makes an encoder, and an index"):
        convert.Options(
            input=tokenwise,
            average=(tokenwise,),
            output=tmp_path / "index",
            format="plaid",
            collection=tmp_path,
        )


def test_encoder(tokenwise: Path, tmp_path: Path) -> None:
    options = convert.Options(input=tokenwise, output=tmp_path / "o", format="encoder")
    assert convert.convert(options) == 0.0
    names = {path.name for path in (tmp_path / "o").iterdir()}
    assert names == {
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ("encoder", "cannot hold a projection, got head.projection=8"),
        ("single-vector", "projection trained for multi-vector vectors does not fit"),
    ],
)
def test_projection_that_would_be_lost(
    layout: str, message: str, colbert: Path, tmp_path: Path
) -> None:
    options = convert.Options(input=colbert, output=tmp_path / "out", format=layout)
    with pytest.raises(ValueError, match=message):
        convert.convert(options)


def test_markers_do_not_fit_single_vectors(tmp_path: Path) -> None:
    head = dataclasses.replace(tiny.TOKENWISE, query_marker="[Q] ")
    folder.save(tiny.make(head), tmp_path / "in")
    options = convert.Options(
        input=tmp_path / "in", output=tmp_path / "out", format="single-vector"
    )
    with pytest.raises(ValueError, match="cannot hold markers"):
        convert.convert(options)
    assert not (tmp_path / "out").exists()


def test_wrong_vectors_leave_nothing(
    colbert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = folder.save

    def other_weights(model: retriever.Retriever, path: Path, **how: object) -> None:
        save(tiny.make(model.head, seed=1), path, **how)

    monkeypatch.setattr(folder, "save", other_weights)
    options = convert.Options(input=colbert, output=tmp_path / "out")
    with pytest.raises(ValueError, match="must be within 1e-06 of its source's, got"):
        convert.convert(options)
    assert list(tmp_path.iterdir()) == []


def test_vectors_that_are_no_numbers_fail(tokenwise: Path) -> None:
    model = folder.load(tokenwise)
    nothing = jax.tree.map(lambda x: jnp.full_like(x, np.nan), model.params)
    with pytest.raises(ValueError, match="got nan"):
        parity.compare(model, model.with_params(nothing))


def test_other_tokens_fail(tokenwise: Path) -> None:
    model = folder.load(tokenwise)
    with pytest.raises(ValueError, match="as other tokens than its source"):
        parity.compare(model, tiny.with_head(model, query_length=8))


def test_existing_output(colbert: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    options = convert.Options(input=colbert, output=tmp_path)
    with pytest.raises(ValueError, match="exists already"):
        convert.convert(options)
    assert (tmp_path / "kept").read_text() == "mine"


def test_results_that_are_no_json(colbert: Path, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("{")
    options = convert.Options(
        input=colbert, output=tmp_path / "out", results=tmp_path / "r.json"
    )
    with pytest.raises(ValueError, match=r"r\.json is no JSON file"):
        convert.convert(options)


def test_training_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    run.mkdir()
    source = BitextSource(
        name="bible", format="tsv", source="/secret/b.tsv", target_language="sw"
    )
    config = config_lib.Config(
        teacher=config_lib.TeacherConfig(path="owner/encoder"),
        data=config_lib.DataConfig(sources=(source,)),
    )
    (run / "config.json").write_text(config_io.to_json(config))
    (run / "data.json").write_text(json.dumps({"bible": {"read": 9, "train": 7}}))
    measured = {"collection": "c", "queries": "q", "method": "student", "seed": 0}
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"rows": [measured | {"measures": {"R@1": 0.5}}]}))
    monkeypatch.setattr(workdir, "load_student", lambda _: tiny.make(tiny.COLBERT))
    out = tmp_path / "out"
    convert.convert(convert.Options(input=run, output=out, results=results))
    card = (out / "README.md").read_text()
    for fact in ('- "sw"', 'base_model: "owner/encoder"', "| bible | 9 | 7 |", "0.500"):
        assert fact in card
    assert "secret" not in card


def test_command_line(
    colbert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--input", str(colbert), "--output", str(tmp_path / "out")]
    assert convert.main(argv) == 0
    assert "differ by 0 at most" in " ".join(capsys.readouterr().out.split())
    assert convert.main(argv) == 1
    assert "exists already" in capsys.readouterr().err


FORMATS = ("pylate", "stanford", "sentence-transformers-6", "encoder")


@pytest.mark.parametrize("name", FORMATS)
def test_tensors_come_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    head = tiny.TOKENWISE if name == "encoder" else tiny.COLBERT
    model = tiny.make(dataclasses.replace(head, skiplist=()))
    folder.save(model, tmp_path / "first")
    first, second = tmp_path / "one", tmp_path / "two"
    options = convert.Options(input=tmp_path / "first", output=first, format=name)
    assert convert.convert(options) == 0.0
    if name == "encoder":
        # It has no head of its own; one is put on it, and taken off again.
        plain = folder.load(first, head=head)
        with folder.staged(second) as staging:
            folder.write_encoder(plain, staging)
    else:
        options = dataclasses.replace(options, input=first, output=second)
        assert convert.convert(options) == 0.0
    files = [path.relative_to(first) for path in first.rglob("*.safetensors")]
    assert files
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes()


@pytest.mark.parametrize("name", ["modules.json", "tokenizer.json"])
def test_files_without_which_others_load_wrong_vectors(
    name: str, colbert: Path, tmp_path: Path
) -> None:
    shutil.copytree(colbert, tmp_path / "in")
    (tmp_path / "in" / name).unlink()
    options = convert.Options(input=tmp_path / "in", output=tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=f"has no {name}"):
        convert.convert(options)
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_trimmed_vocabulary(colbert: Path, tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("habari dunia\nhabari za asubuhi\n")
    row = {"_id": "1", "title": "book", "text": "who wrote"}
    (tmp_path / "corpus.jsonl").write_text(json.dumps(row) + "\n")
    options = convert.Options(
        input=colbert,
        output=tmp_path / "out",
        trim_vocabulary=(tmp_path / "lines.txt", tmp_path / "corpus.jsonl"),
    )
    said: list[str] = []
    assert convert.convert(options, say=said.append) == 0.0
    before, after = folder.load(colbert), folder.load(tmp_path / "out")
    assert f"{after.encoder.vocab_size} of {before.encoder.vocab_size} rows" in said[0]
    assert after.encoder.vocab_size < before.encoder.vocab_size
    texts = ["habari dunia", "book who wrote"]
    vectors = [tiny.vectors(r, r.text.documents(texts)) for r in (before, after)]
    for one, other in zip(*vectors, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input": None}, "--input and --output must name.*--list shows"),
        ({"format": "plaid"}, "goes with --format plaid, got --format plaid and"),
        ({"collection": Path("c")}, "goes with --format plaid, got --format pylate"),
        (
            {
                "format": "plaid",
                "collection": Path("c"),
                "trim_vocabulary": (Path("x"),),
            },
            "convert the encoder first",
        ),
    ],
)
def test_options_that_do_not_fit(fields: dict[str, object], message: str) -> None:
    given = {"input": Path("in"), "output": Path("out")} | fields
    with pytest.raises(ValueError, match=message):
        convert.Options(**given)


def test_index_of_a_run_is_its_teachers(
    colbert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, beir = tmp_path / "run", tmp_path / "beir"
    for path in (run, beir):
        path.mkdir()
    config = config_lib.Config(teacher=config_lib.TeacherConfig(path=str(colbert)))
    (run / "config.json").write_text(config_io.to_json(config))
    documents = [{"_id": str(i), "text": text} for i, text in enumerate(tiny.TEXTS)]
    (beir / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)))
    student = tiny.make(tiny.COLBERT, seed=1)
    monkeypatch.setattr(workdir, "load_student", lambda _: student)
    options = convert.Options(
        input=run,
        output=tmp_path / "out",
        format="plaid",
        collection=beir,
        nbits=2,
        cache=tmp_path / "cache",
    )
    report = convert.write_index(options)
    assert (report.documents, report.bits) == (len(tiny.TEXTS), 2)
    index = plaid.load(tmp_path / "out" / "fast_plaid_index")
    (part,) = plaid.decompressed(index)
    teacher = folder.load(colbert)
    wanted = tiny.vectors(teacher, teacher.text.documents([tiny.TEXTS[0]]))[0]
    ids = json.loads((tmp_path / "out" / "document_ids.json").read_text())
    closeness = (part[ids.index("0")] * wanted).sum(axis=1)
    assert closeness.min() > 0.8


def test_list_names_families_and_formats(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert convert.main(["--list"]) == 0
    shown = capsys.readouterr().out
    for word in ("xlm-roberta", "BertModel", "stanford", "bge-m3", "not PyLate 1.6"):
        assert word in shown


def test_help_tells_a_stranger_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stopped:
        convert.main(["--help"])
    assert stopped.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for word in ("--list", "--format plaid", "--collection BEIR_DIR", "--nbits"):
        assert word in shown


def test_plain_encoder_takes_a_head_of_the_caller(
    tokenwise: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    with folder.staged(plain) as staging:
        folder.write_encoder(folder.load(tokenwise), staging)
    options = convert.Options(input=plain, output=tmp_path / "out")
    with pytest.raises(
        FileNotFoundError, match="pass a head: --head.kind multi-vector"
    ):
        convert.convert(options)
    head = HeadOptions(query_length=16, document_length=24)
    assert convert.convert(dataclasses.replace(options, head=head)) == 0.0
    assert folder.load(tmp_path / "out").head == tiny.TOKENWISE
