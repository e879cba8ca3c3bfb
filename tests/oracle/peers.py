"""Open the exported folders with PyLate, search our PLAID index, and record differences.

    python -m tests.oracle.peers CASES RESULT.json

runs in PyLate's own environment; CASES is what `tests.oracle.cases` wrote. Exits 1 if a
difference is above its tolerance, a text has another number of vectors, or a search finds
other documents than the highest MaxSim over the vectors that the index holds.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import sentence_transformers
import torch
from fast_plaid import search
from pylate import indexes, models

from tests.oracle import compare

_COMMAND = (
    "python -m tests.oracle.cases CASES [ENCODER_FOLDER]; "
    "python -m tests.oracle.peers CASES RESULT.json"
)


# The engine computes in half precision: over 16 query tokens, a few units of 2^-11 each.
_SCORE_TOLERANCE = 0.02
_TOP = 10


def measure(case: Path) -> dict[str, float]:
    """Differences of queries and documents for one folder."""
    model = models.ColBERT(str(case), device="cpu")
    return {
        f"max difference, {plural}": compare.difference(
            case, kind, lambda texts, q=kind == "query": model.encode(texts, is_query=q)
        )
        for kind, plural in (("query", "queries"), ("document", "documents"))
    }


def measure_single(case: Path) -> dict[str, float]:
    """Differences for one folder of single vectors, opened by sentence-transformers 5."""
    model = sentence_transformers.SentenceTransformer(str(case), device="cpu")
    return {
        f"max difference, {plural}": compare.difference(case, kind, model.encode)
        for kind, plural in (("query", "queries"), ("document", "documents"))
    }


def rows(root: Path) -> list[dict[str, Any]]:
    """One row a case."""
    readers = {
        True: ("pylate", measure),
        False: ("sentence-transformers", measure_single),
    }
    found = []
    for name, (case, is_multi_vector) in compare.folders(root).items():
        library, differences = readers[is_multi_vector]
        found.append(
            {
                "collection": name,
                "queries": "sample texts",
                "method": f"{library} {importlib.metadata.version(library)}",
                "seed": 0,
                "measures": differences(case),
            }
        )
    return found


def search_index(folder: Path, pylates: Path) -> list[dict[str, Any]]:
    """Search a PLAID index with fast-plaid, and in a copy of it with PyLate."""
    stated = json.loads(folder.with_suffix(".json").read_text(encoding="utf-8"))
    ids = json.loads((folder / "document_ids.json").read_text(encoding="utf-8"))
    queries = torch.tensor(stated["queries"])
    everywhere = {"n_ivf_probe": 4096, "n_full_scores": 1 << 16}
    shutil.copytree(folder, pylates)
    plaid = search.FastPlaid(index=str(folder / "fast_plaid_index"), device="cpu")
    centroids = len(np.load(folder / "fast_plaid_index" / "centroids.npy"))
    everywhere["n_ivf_probe"] = min(everywhere["n_ivf_probe"], centroids)
    named = [
        [(ids[i], score) for i, score in found]
        for found in plaid.search(
            queries, top_k=_TOP, show_progress=False, **everywhere
        )
    ]
    index = _with_pylate(pylates, everywhere)
    wrapped = [
        [(hit["id"], hit["score"]) for hit in found] for found in index(queries, k=_TOP)
    ]
    index.add_documents(["one more"], [queries[0].numpy()])
    added = index(queries[:1], k=1)
    versions = {
        name: importlib.metadata.version(name) for name in ("fast-plaid", "pylate")
    }
    rows = [
        ("fast-plaid", _compare(named, stated)),
        ("pylate", _compare(wrapped, stated)),
        (
            "pylate",
            {"document added to it, found first": added[0][0]["id"] == "one more"},
        ),
    ]
    return [
        {
            "collection": folder.name,
            "queries": "sample texts",
            "method": f"{name} {versions[name]}",
            "seed": 0,
            "measures": measures,
        }
        for name, measures in rows
    ]


def _with_pylate(folder: Path, everywhere: dict[str, int]) -> Any:  # noqa: ANN401
    """Open an index with PyLate as its README says."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[2].split("```")[0]
    made: dict[str, Any] = {}
    here = Path.cwd()
    os.chdir(folder.parent)
    try:
        exec(code, made)  # noqa: S102 - our own file
    finally:
        os.chdir(here)
    assert isinstance(made["index"], indexes.PLAID)
    return indexes.PLAID(
        index_folder=str(folder.parent.resolve()),
        index_name=folder.name,
        show_progress=False,
        device="cpu",
        **everywhere,
    )


def _compare(
    found: list[list[tuple[str, float]]], stated: dict[str, Any]
) -> dict[str, float]:
    """Return how many of the top documents are ours, and how far their scores are.

    Documents whose scores differ by less than the tolerance may change places.
    """
    worst, ours, placed = 0.0, 0, 0
    for hits, documents, scores in zip(
        found, stated["documents"], stated["scores"], strict=True
    ):
        wanted = dict(zip(documents, scores, strict=True))
        last = scores[_TOP - 1]
        placed += sum(h[0] == d for h, d in zip(hits, documents, strict=False))
        for doc_id, score in hits:
            known = wanted.get(doc_id, float("-inf"))
            ours += known >= last - _SCORE_TOLERANCE
            worst = max(worst, abs(score - known))
    return {
        f"documents of our top {_TOP}": ours / (_TOP * len(found)),
        f"documents in their very place of our top {_TOP}": placed
        / (_TOP * len(found)),
        "max difference, scores": worst,
    }


def main() -> int:
    """Write the record; return the exit status."""
    root, target = Path(sys.argv[1]), Path(sys.argv[2])
    began = time.time()
    found = rows(root)
    with tempfile.TemporaryDirectory() as scratch:
        searched = search_index(root / "plaid-index", Path(scratch) / "plaid-index")
    versions = (
        "pylate",
        "fast-plaid",
        "sentence-transformers",
        "transformers",
        "torch",
    )
    commit = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    record = {
        "name": "peers",
        "command": _COMMAND,
        "config": {v: importlib.metadata.version(v) for v in versions}
        | {"tolerance": compare.TOLERANCE, "score tolerance": _SCORE_TOLERANCE},
        "commit": commit.stdout.strip(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, CPU",
        "seconds": round(time.time() - began, 1),
        "rows": found + searched,
    }
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, target)
    worst = max(value for row in found for value in row["measures"].values())
    sys.stdout.write(f"{len(found)} folders, largest difference {worst:.2g}\n")
    for row in searched:
        sys.stdout.write(f"{row['method']}: {row['measures']}\n")
    measures = [value for row in searched for value in row["measures"].items()]
    right = all(
        value <= _SCORE_TOLERANCE if name.startswith("max") else value == 1
        for name, value in measures
        if "very place" not in name
    )
    return int(worst > compare.TOLERANCE or not right)


if __name__ == "__main__":
    sys.exit(main())
