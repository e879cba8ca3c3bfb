"""Compare a reader's vectors with those a case folder states; numpy alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

_KINDS = ("query", "document")
Encode = Callable[[list[str]], Sequence[np.ndarray]]

# Float32 over two to six layers; the two frameworks sum in different orders.
TOLERANCE = 1e-5


def difference(case: Path, kind: str, encode: Encode) -> float:
    """Largest absolute difference over the case's texts; kind is query or document.

    Raises AssertionError, naming the text, if a text has another number of vectors.
    """
    stated = np.load(case.with_suffix(".npz"))
    texts = stated["texts"].tolist()
    worst = 0.0
    for i, found in enumerate(encode(texts)):
        wanted = stated[f"{kind}{i}"]
        found = np.asarray(found).reshape(-1, wanted.shape[1])
        assert found.shape == wanted.shape, (
            f"{case.name}: {kind} {texts[i]!r} has {found.shape[0]} vectors, "
            f"ours {wanted.shape[0]}"
        )
        worst = max(worst, float(np.abs(found - wanted).max()))
    return worst


def maxsim_difference(case: Path, queries: Encode, documents: Encode) -> float:
    """Largest difference of MaxSim scores, of all the case's texts against all of them."""
    stated = np.load(case.with_suffix(".npz"))
    texts = stated["texts"].tolist()
    ours = _scores(*([stated[f"{k}{i}"] for i in range(len(texts))] for k in _KINDS))
    found = ([np.asarray(v) for v in encode(texts)] for encode in (queries, documents))
    return float(np.abs(ours - _scores(*found)).max())


def _scores(queries: list[np.ndarray], documents: list[np.ndarray]) -> np.ndarray:
    return np.array([[(q @ d.T).max(axis=1).sum() for d in documents] for q in queries])


def folders(root: Path) -> dict[str, tuple[Path, bool]]:
    """Return {case name: (folder, whether it is multi-vector)}."""
    cases = sorted(path.with_suffix("") for path in root.glob("*.npz"))
    return {path.name: (path, not (path / "1_Pooling").is_dir()) for path in cases}
