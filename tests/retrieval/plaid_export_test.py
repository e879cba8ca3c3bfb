import json
import re
from pathlib import Path

import numpy as np
import pytest

from optical_jax.data.collection import Collection
from optical_jax.models import retriever
from optical_jax.retrieval import encode, plaid, plaid_export, search
from tests.models import tiny

DOCUMENTS = [f"{text} habari {i}" for i, text in enumerate(tiny.TEXTS * 3)]


def collection(queries: dict[str, str] | None = None) -> Collection:
    doc_ids = [f"d{i:02d}" for i in range(len(DOCUMENTS))]
    return Collection("tiny", doc_ids, DOCUMENTS, {"test": queries or {}}, {})


@pytest.fixture(scope="module")
def colbert() -> retriever.Retriever:
    return tiny.make(tiny.COLBERT)


@pytest.fixture(scope="module")
def exported(
    colbert: retriever.Retriever, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, plaid_export.Report]:
    root = tmp_path_factory.mktemp("export")
    told: list[str] = []
    report = plaid_export.export(
        collection({"q": "habari dunia", "r": "who wrote"}),
        root / "index",
        document_encoder=colbert,
        cache=root / "cache",
        progress=lambda stage, *_: told.append(stage),
    )
    assert {"documents", "compress"} <= set(told)
    return root / "index", report


def test_folder(exported: tuple[Path, plaid_export.Report]) -> None:
    folder, report = exported
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "document_ids.json",
        "fast_plaid_index",
    ]
    assert not list(folder.rglob("*.pkl"))
    ids = json.loads((folder / "document_ids.json").read_text())
    assert ids == collection().doc_ids
    assert report.documents == len(plaid.load(folder / "fast_plaid_index").lengths)


def test_report_measures_against_exact_search(
    exported: tuple[Path, plaid_export.Report], colbert: retriever.Retriever
) -> None:
    folder, report = exported
    queries = encode.encode_queries(colbert, ["habari dunia", "who wrote"])
    documents = encode.encode_documents(colbert, DOCUMENTS)
    wanted = search.search(queries, documents, k=10)
    found = plaid.search(queries, plaid.load(folder / "fast_plaid_index"), k=10)
    shares = [
        len(set(w) & set(f)) / 10
        for w, f in zip(wanted.indices, found.indices, strict=True)
    ]
    assert report.recall[10] == pytest.approx(np.mean(shares))
    assert report.recall[10] >= 0.8
    assert (report.queries, report.of) == (2, "test")
    assert report.text() in (folder / "README.md").read_text()
    assert f"{report.recall[10]:.3f} of the top 10" in report.text()


def test_readme_makes_pylates_files_of_the_list(
    exported: tuple[Path, plaid_export.Report],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Without its last line, which needs PyLate; `make test-peers` runs it whole.
    folder, _ = exported
    code = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)
    compile(code[0], "README", "exec")
    lines = [line for line in code[1].splitlines() if "indexes" not in line]
    monkeypatch.chdir(folder.parent)
    exec("\n".join(lines), {})  # noqa: S102
    names = [path.name for path in folder.glob("*.pkl")]
    for name in names:
        (folder / name).unlink()
    assert sorted(names) == [
        "documents_ids_to_plaid_ids.pkl",
        "plaid_ids_to_documents_ids.pkl",
    ]


def test_without_queries_documents_beginnings_stand_for_them(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    report = plaid_export.export(
        collection(),
        tmp_path / "index",
        document_encoder=colbert,
        bits=2,
        cache=tmp_path / "cache",
    )
    assert report.of == "beginnings of documents"
    assert report.bits == 2


def test_refused_before_anything_is_encoded(
    colbert: retriever.Retriever, tmp_path: Path
) -> None:
    settings = {"cache": tmp_path / "cache"}
    with pytest.raises(ValueError, match="one vector a text; give a multi-vector"):
        plaid_export.export(
            collection(),
            tmp_path / "x",
            document_encoder=tiny.make(tiny.POOLED),
            **settings,
        )
    with pytest.raises(ValueError, match="got 3 bits"):
        plaid_export.export(
            collection(), tmp_path / "x", document_encoder=colbert, bits=3, **settings
        )
    assert list(tmp_path.iterdir()) == []
