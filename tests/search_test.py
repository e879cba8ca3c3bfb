import io

import pytest
import rich.console

from optical_jax import command, search
from optical_jax.data import collection as collection_lib
from optical_jax.models import folder
from optical_jax.retrieval import index
from tests.models import tiny
from tests.retrieval import world


@pytest.fixture(autouse=True)
def _no_compilation_cache(monkeypatch):
    """The setting is the process's and would outlive the test."""
    monkeypatch.setattr(command, "set_up", lambda cache: None)


def answers(head, tmp_path, text="habari book", **options):
    model = tiny.make(head)
    collection = collection_lib.load(world.write(tmp_path / "tiny"))
    documents = index.build(
        model, collection.doc_ids, collection.documents, cache=tmp_path / "cache"
    )
    return model, search.answer(
        text,
        query_encoder=model,
        document_encoder=model,
        documents=documents,
        collection=collection,
        **options,
    )


def test_matches_add_up_to_the_score(tmp_path):
    model, hits = answers(tiny.COLBERT, tmp_path, k=3)
    assert len(hits) == 3
    assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)
    tokens = model.text.tokens(model.text.queries(["habari book"])[0].ids)
    for hit in hits:
        assert sum(m.similarity for m in hit.matches) == pytest.approx(
            hit.score, abs=1e-4
        )
        assert [m.query_token for m in hit.matches] == tokens
        text = model.text.documents([hit.document])[0]
        assert {m.doc_token for m in hit.matches} <= set(model.text.tokens(text.ids))


def test_the_document_itself_is_found_first(tmp_path):
    title, text = world.DOCUMENTS["d3"]
    _, hits = answers(tiny.TOKENWISE, tmp_path, text=f"{title} {text}")
    assert hits[0].doc_id == "d3"
    assert all(m.similarity > 0.99 for m in hits[0].matches)


def test_one_vector_a_text_has_no_matches(tmp_path):
    _, hits = answers(tiny.POOLED, tmp_path)
    assert {hit.matches for hit in hits} == {()}


def test_an_empty_query_is_refused(tmp_path):
    with pytest.raises(ValueError, match="query must have text in it"):
        answers(tiny.TOKENWISE, tmp_path, text="  ")


def test_expansion_tokens_are_summed_up():
    matches = (
        search.Match("book", "word", 0.75),
        search.Match("[MASK]", "[SEP]", 0.5),
        search.Match("[MASK]", "[SEP]", 0.25),
    )
    console = rich.console.Console(width=200, record=True, file=io.StringIO())
    hit = search.Hit("d1", "a " * 300, 1.5, matches)
    search.show([hit], console, mask="[MASK]")
    shown = console.export_text()
    assert "1. 1.500  d1  a a" in shown
    assert "…" in shown
    assert "book→word 0.75" in shown
    assert "[MASK] x2 0.75" in shown


@pytest.mark.parametrize(
    ("typed", "vectors", "file"),
    [
        (None, "float16", "vectors"),
        (["habari", "dunia", ""], "residual-4", "residuals"),
        (["habari"], "int8", "steps"),
    ],
)
def test_the_command_answers_one_query_or_asks(
    tmp_path, monkeypatch, capsys, typed, vectors, file
):
    world.write(tmp_path / "tiny")
    folder.save(tiny.make(tiny.TOKENWISE), tmp_path / "teacher")
    flags = [
        *("--collection", str(tmp_path / "tiny")),
        *("--document_encoder", str(tmp_path / "teacher")),
        *("--cache", str(tmp_path / "cache"), "--k", "2", "--vectors", vectors),
    ]
    lines = iter(typed or [])

    def ask(*_):
        try:
            return next(lines)
        except StopIteration as end:
            raise EOFError from end

    monkeypatch.setattr("builtins.input", ask)
    assert search.main([*flags, *(["--query", "habari"] if typed is None else [])]) == 0
    shown = capsys.readouterr().out
    asked = 1 if typed is None else len([t for t in typed if t])
    assert shown.count("1. ") == asked
    assert "4 documents of tiny" in shown
    assert "habari→" in shown
    assert list((tmp_path / "cache").glob(f"corpus-*/000000/{file}.npy"))


def test_bad_input_is_one_line_and_status_1(tmp_path, capsys):
    assert search.main(["--collection", str(tmp_path), "--query", "x"]) == 1
    assert "is no retrieval collection" in " ".join(capsys.readouterr().err.split())
