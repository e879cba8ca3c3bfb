"""A whole run small enough for a test: a tiny teacher's folder, bitext, a config."""

import json
import random
from pathlib import Path

from optical_jax.config import (
    Config,
    DataConfig,
    MeshConfig,
    OptimizerConfig,
    TeacherConfig,
)
from optical_jax.data.sources import BitextSource
from optical_jax.models import folder
from tests.models import tiny

_WORDS = ("habari", "dunia", "book", "the", "who", "word", "a", "na", "kitabu", "nani")


def write_inputs(root: Path, *, pairs: int = 96, family: str = "bert") -> None:
    """Write the teacher's folder and a Moses bitext under root."""
    folder.save(tiny.make(tiny.TOKENWISE, family=family), root / "teacher")
    rng = random.Random(0)
    lines = {"en": [], "x": []}
    for i in range(pairs):
        words = rng.choices(_WORDS, k=rng.randint(2, 8))
        lines["en"].append(" ".join([*words, str(i)]))
        lines["x"].append(" ".join([*reversed(words), str(i), "na"]))
    for side, text in lines.items():
        (root / f"train.{side}").write_text("\n".join(text) + "\n", encoding="utf-8")


def config(root: Path, workdir: Path, **fields: object) -> Config:
    """A distillation of six steps; fields of Config override.

    Adam's eps is large: at 1e-8 a gradient of rounding noise moves its parameter by a whole
    learning rate, and no two meshes sum in the same order.
    """
    base = {
        "name": "tiny",
        "workdir": str(workdir),
        "steps": 6,
        "teacher": TeacherConfig(path=str(root / "teacher")),
        "data": data(root),
        "optimizer": OptimizerConfig(learning_rate=1e-2, eps=1e-3, warmup_steps=2),
        "mesh": MeshConfig(data=8),
        "log_every": 1,
        "eval_every": 3,
        "save_every": 3,
    }
    return Config(**{**base, **fields})


def data(root: Path, **fields: object) -> DataConfig:
    """The data of `config`."""
    source = BitextSource(
        name="toy", format="moses", source="train.en", target="train.x"
    )
    base = {
        "root": str(root),
        "sources": (source,),
        "validation_fraction": 0.1,
        "cache_dir": str(root / "cache"),
        "batch_size": 16,
        "window": 2,
        "buckets": (16,),
    }
    return DataConfig(**{**base, **fields})


def losses(run: str | Path) -> dict[int, float]:
    """Return the loss that a run logged, by step."""
    lines = Path(run, "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return {r["step"]: r["loss"] for r in map(json.loads, lines) if "loss" in r}
