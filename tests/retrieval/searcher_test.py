import pytest

from optical_jax.data import collection as collection_lib
from optical_jax.retrieval import bm25, index, searcher, tasks
from tests.models import tiny
from tests.retrieval import world


def test_documents_are_encoded_when_they_are_first_searched_and_once(
    tmp_path, monkeypatch
):
    teacher = tiny.make(tiny.TOKENWISE)
    collection = collection_lib.load(world.write(tmp_path / "tiny"))
    asked = tasks.of_collection(collection, ["xx-test", "en-test"])
    built, build = [], index.build
    monkeypatch.setattr(
        index, "build", lambda *a, **k: built.append(1) or build(*a, **k)
    )
    stages = []
    found = searcher.Searcher(
        collection=collection,
        document_encoder=teacher,
        bm25=bm25.Bm25Config(),
        cache=tmp_path / "cache",
        depth=2,
        batch_size=4,
        mesh=None,
        told=lambda *stage: stages.append(stage),
    )
    dense = [found.dense(teacher), found.dense(tiny.make(tiny.TOKENWISE, seed=1))]
    assert not built
    runs = [search(task) for task in asked for search in dense]
    assert built == [1]
    assert all(len(row) == 2 for run in runs for row in run.values())
    assert dense[0](asked[0]) is runs[0]
    assert [s for s in stages if s[0] == "search en-test"][-1] == (
        "search en-test",
        4,
        4,
    )


def test_encoders_must_fit_each_other():
    teacher = tiny.make(tiny.TOKENWISE)
    searcher.check_encoders(None, teacher)
    searcher.check_encoders(teacher, teacher)
    with pytest.raises(ValueError, match="same width, got 8 and 16; use the document"):
        searcher.check_encoders(tiny.make(tiny.COLBERT), teacher)
    with pytest.raises(
        ValueError, match="got single-vector and multi-vector; set head"
    ):
        searcher.check_encoders(tiny.make(tiny.POOLED), teacher)
    with pytest.raises(ValueError, match="needs the document encoder .* got none"):
        searcher.check_encoders(teacher, None)
