"""Queries translated by any machine translation system: from a file, or by a command."""

import hashlib
import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from optical_jax.data import beir, textfile, trec

# Of a failed command's error output, the part that is shown.
_SHOWN = 400


def read(path: Path) -> dict[str, str]:
    """Return query_id -> translation of a file.

    Args:
        path: JSON lines {_id, text} as BEIR has queries, or "query_id<tab>text" lines.

    Raises:
        FileNotFoundError: if it is missing.
        ValueError: naming a line that is malformed.
    """
    first = next((line for line in textfile.read_lines(path) if line.strip()), "")
    is_json = first.lstrip().startswith("{")
    return beir.read_queries(path) if is_json else trec.topics(path)


def run(
    command: str,
    queries: Mapping[str, str],
    *,
    folder: Path,
    name: str,
    timeout: float = 3600.0,
) -> dict[str, str]:
    """Translate queries by a command, or return what it gave to the same ones before.

    The command gets one query a line on its standard input and must write one translation
    a line, in the same order. It is started without a shell.

    Args:
        command: program and arguments, quoted as for a shell.
        queries: query_id -> text.
        folder: where the translations are kept, as JSON lines {_id, text} in a file that
            is named by the query set, the command and the queries.
        name: of the query set.
        timeout: seconds after which the command is ended.

    Raises:
        FileNotFoundError: if there is no such program.
        ValueError: if the command fails, takes too long, or writes another number of
            lines.
    """
    lines = {query_id: textfile.normalize(text) for query_id, text in queries.items()}
    key = json.dumps([command, lines]).encode()
    digest = hashlib.sha256(key).hexdigest()[:12]
    path = folder / f"{name}.translation-{digest}.jsonl"
    if not path.is_file():
        translated = _call(command, list(lines.values()), timeout)
        _write(path, dict(zip(lines, translated, strict=True)))
    return read(path)


def _call(command: str, lines: list[str], timeout: float) -> list[str]:
    arguments = shlex.split(command)
    if not arguments:
        raise ValueError("translate_command must name a program, got an empty string")
    try:
        done = subprocess.run(
            arguments,
            input="\n".join(lines) + "\n",
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"translate_command must name a program that is installed, got "
            f"{arguments[0]!r}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"translate_command must end within {timeout:g} seconds, and did not for "
            f"{len(lines)} queries; raise translate_timeout"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"translate_command must write UTF-8 ({error})") from error
    if done.returncode != 0:
        said = done.stderr.strip()[-_SHOWN:] or "nothing on its standard error"
        raise ValueError(
            f"translate_command must end with exit status 0, got {done.returncode}; it "
            f"said: {said}"
        )
    found = done.stdout.removesuffix("\n").split("\n")
    if len(found) != len(lines):
        raise ValueError(
            f"translate_command must write one line for each query, got {len(found)} "
            f"lines for {len(lines)} queries"
        )
    return [line.strip() for line in found]


def _write(path: Path, translated: Mapping[str, str]) -> None:
    rows = (
        json.dumps({"_id": query_id, "text": text}, ensure_ascii=False) + "\n"
        for query_id, text in translated.items()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    textfile.write(path, "".join(rows))
