"""Open the exported folders with PyLate and record how far its vectors are from ours.

    python -m tests.oracle.peers CASES RESULT.json

runs in PyLate's own environment; CASES is what `tests.oracle.cases` wrote. Exits 1 if a
difference is above the tolerance or a text has another number of vectors.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

from pylate import models

from tests.oracle import compare

_COMMAND = (
    "python -m tests.oracle.cases CASES [ENCODER_FOLDER]; "
    "python -m tests.oracle.peers CASES RESULT.json"
)


def measure(case: Path) -> dict[str, float]:
    """Differences of queries and documents for one folder."""
    model = models.ColBERT(str(case), device="cpu")
    return {
        f"max difference, {plural}": compare.difference(
            case, kind, lambda texts, q=kind == "query": model.encode(texts, is_query=q)
        )
        for kind, plural in (("query", "queries"), ("document", "documents"))
    }


def rows(root: Path) -> list[dict[str, Any]]:
    """One row a multi-vector case."""
    method = f"pylate {importlib.metadata.version('pylate')}"
    return [
        {
            "collection": name,
            "queries": "sample texts",
            "method": method,
            "seed": 0,
            "measures": measure(case),
        }
        for name, (case, is_multi_vector) in compare.folders(root).items()
        if is_multi_vector
    ]


def main() -> int:
    """Write the record; return the exit status."""
    root, target = Path(sys.argv[1]), Path(sys.argv[2])
    began = time.time()
    found = rows(root)
    versions = ("pylate", "sentence-transformers", "transformers", "torch")
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
        | {"tolerance": compare.TOLERANCE},
        "commit": commit.stdout.strip(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, CPU",
        "seconds": round(time.time() - began, 1),
        "rows": found,
    }
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, target)
    worst = max(value for row in found for value in row["measures"].values())
    sys.stdout.write(f"{len(found)} folders, largest difference {worst:.2g}\n")
    return int(worst > compare.TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
