"""What the model card of a run's student states, read off the run; no path is in it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from optical_jax.models import card
from optical_jax.training import workdir


def of_run(facts: card.Facts, run: Path) -> card.Facts:
    """Return the facts with those of a training run; languages that are given stay.

    Raises:
        FileNotFoundError: if the folder holds no run.
        ValueError: if one of its files is no JSON.
    """
    config = workdir.read_config(run)
    listed = {source.name: {} for source in config.data.sources}
    counted = run / "data.json"
    spoken = {source.target_language for source in config.data.sources} - {""}
    return dataclasses.replace(
        facts,
        languages=facts.languages or tuple(sorted(spoken)),
        base_model=_hub_id(config.student.path or config.teacher.path),
        document_encoder=_published(config.teacher.path),
        sources=read_json(counted) if counted.is_file() else listed,
        config=dataclasses.asdict(config) | {"objective": config.objective.used()},
    )


def read_json(path: Path) -> Any:  # noqa: ANN401
    """Read a JSON file, or raise a ValueError that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error


def _hub_id(path: str) -> str | None:
    is_id = path.count("/") == 1 and path[0] not in "./~" and not Path(path).exists()
    return path if is_id else None


def _published(path: str) -> str | None:
    """Name an encoder without giving away a folder of this machine."""
    return _hub_id(path) or (Path(path).name or None)
