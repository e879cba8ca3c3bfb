"""Files and folders that appear when they are complete, and not at all otherwise."""

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# No space; the user's quota is used up; the file is as large as a limit permits.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Names as `_beside` gives them.
_LEFT = re.compile(r"\..+\.[0-9]+\.[0-9a-f]{8}\.tmp")


@contextlib.contextmanager
def file(path: Path) -> Iterator[Path]:
    """Give a temporary path, in an existing folder, that becomes `path` on success.

    What was at `path` stays until then, and for good if the block fails.

    Raises:
        OSError: naming the path, if the disk is full.
    """
    staging = _beside(path)
    try:
        with full_disk_explained(_full(path)):
            yield staging
            os.replace(staging, path)
    finally:
        staging.unlink(missing_ok=True)


@contextlib.contextmanager
def folder(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Give a temporary folder that becomes `path` if the block succeeds.

    Args:
        path: a folder that is empty or not there.
        shared: another process may write the same there; whichever is first, its stays.

    Raises:
        OSError: naming the path, if the disk is full.
    """
    staging = _beside(path)
    try:
        with full_disk_explained(_full(path)):
            staging.mkdir(parents=True)
            yield staging
        try:
            os.replace(staging, path)
        except OSError:
            if not (shared and path.is_dir()):
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Remove what killed processes were writing in a folder that no other one writes in."""
    for path in parent.iterdir():
        if _LEFT.fullmatch(path.name):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a .npy file that appears, or changes, only when it is complete."""
    # An open file: numpy would put .npy behind another name.
    with file(path) as staging, staging.open("wb") as out:
        np.save(out, array)


@contextlib.contextmanager
def full_disk_explained(explanation: str) -> Iterator[None]:
    """Raise an OSError that says `explanation` where the block fails of a full disk or quota.

    Libraries written in C++ raise a RuntimeError then, known by its text alone.
    """
    try:
        yield
    except Exception as error:
        number = getattr(error, "errno", None)
        if number in _FULL or any(os.strerror(n) in str(error) for n in _FULL):
            raise OSError(errno.ENOSPC, explanation) from error
        raise


def _full(path: Path) -> str:
    return f"no space left on the disk while writing {path}; free some and run again"


def _beside(path: Path) -> Path:
    # The same process number may be in use on another host of the file system.
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
