"""Folders and arrays that appear when they are complete, and not at all otherwise."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np


@contextlib.contextmanager
def folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `path` if the block succeeds."""
    staging = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
        try:
            os.replace(staging, path)
        except OSError:
            # Another process was first; what it wrote is the same.
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file under a temporary name, then give it its own."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.save(file, array)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
