import json
import shlex
import sys

import pytest

from optical_jax.retrieval import machine_translation

QUERIES = {"q1": "mji  mkuu\nwa Kenya", "q2": "dunia"}


def python(code):
    return shlex.join([sys.executable, "-c", code])


def test_files_are_json_lines_or_tables(tmp_path):
    json_lines, table = tmp_path / "a.jsonl", tmp_path / "a.tsv"
    rows = [{"_id": "q1", "text": "capital"}, {"_id": "q2", "text": "world"}]
    json_lines.write_text("\n" + "\n".join(map(json.dumps, rows)))
    table.write_text("q1\tcapital\nq2\tworld\n")
    expected = {"q1": "capital", "q2": "world"}
    assert machine_translation.read(json_lines) == expected
    assert machine_translation.read(table) == expected
    table.write_text("q1 capital\n")
    with pytest.raises(
        ValueError, match="a.tsv, line 1: expected 'identifier<tab>text"
    ):
        machine_translation.read(table)


def test_a_command_translates_line_by_line_and_once(tmp_path):
    log = tmp_path / "log"
    command = python(
        f"import sys; open({str(log)!r}, 'a').write('called ')\n"
        "for line in sys.stdin: print(line.strip().upper())"
    )
    for _ in range(2):
        found = machine_translation.run(
            command, QUERIES, folder=tmp_path / "new" / "folder", name="xx"
        )
        assert found == {"q1": "MJI MKUU WA KENYA", "q2": "DUNIA"}
    assert log.read_text() == "called "
    (path,) = (tmp_path / "new" / "folder").iterdir()
    assert path.name.startswith("xx.translation-")
    # What is kept can be given as a file of translations.
    assert machine_translation.read(path) == found
    machine_translation.run(command, {"q1": "x"}, folder=path.parent, name="xx")
    assert log.read_text() == "called called "


def test_no_shell_reads_the_command(tmp_path):
    command = python("import sys; print(sys.argv[1]); print()") + " '$HOME; ls'"
    found = machine_translation.run(command, QUERIES, folder=tmp_path, name="xx")
    assert found == {"q1": "$HOME; ls", "q2": ""}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (python("print('one')"), "one line for each query, got 1 lines for 2 queries"),
        (
            python("import sys; sys.exit('no model')"),
            "exit status 0, got 1; it said: no model",
        ),
        (
            python("import time; time.sleep(60)"),
            r"end within 0.2 seconds, and did not for 2 queries; raise translate_timeout",
        ),
        (
            python("import os; os.write(1, b'\\xff\\n\\xff\\n')"),
            "must write UTF-8",
        ),
        ("no-such-program -x", "a program that is installed, got 'no-such-program'"),
        ("", "must name a program, got an empty string"),
    ],
)
def test_a_command_that_fails_leaves_nothing(tmp_path, command, message):
    timeout = 0.2 if "sleep" in command else 60.0
    with pytest.raises((ValueError, OSError), match=message):
        machine_translation.run(
            command, QUERIES, folder=tmp_path, name="xx", timeout=timeout
        )
    assert not list(tmp_path.iterdir())
