import json
import struct

import pytest
from tensorboardX.proto import event_pb2

from optical_jax.training import progress


def _lines(workdir):
    return [json.loads(x) for x in (workdir / "metrics.jsonl").read_text().splitlines()]


def _events(workdir):
    """Read TensorBoard's file as it is defined: length, its checksum, event, its checksum."""
    (file,) = (workdir / "tensorboard").iterdir()
    content = file.read_bytes()
    while content:
        (size,) = struct.unpack("<Q", content[:8])
        yield event_pb2.Event.FromString(content[12 : 12 + size])
        content = content[12 + size + 4 :]


def test_scalars_go_to_a_file_and_to_tensorboard(tmp_path):
    with progress.Progress(tmp_path, steps=4, first=0) as shown:
        shown.log(2, {"loss": 0.5})
        shown.step(2)
    (line,) = _lines(tmp_path)
    assert (line["step"], line["loss"]) == (2, 0.5)
    version, start, scalar = _events(tmp_path)
    assert version.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (1, event_pb2.SessionLog.START)
    (value,) = scalar.summary.value
    assert (scalar.step, value.tag, value.simple_value) == (2, "loss", 0.5)


def test_a_full_disk_is_named(tmp_path):
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")

    def log():
        with progress.Progress(tmp_path, steps=4, first=0) as shown:
            shown.log(1, {"loss": 0.5})

    message = "no space left on the disk while writing the log of .*run the same"
    with pytest.raises(OSError, match=message):
        log()


def test_what_ended_a_run_is_not_hidden_by_a_log_that_cannot_be_closed(tmp_path):
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")

    def fail():
        with progress.Progress(tmp_path, steps=4, first=0) as shown:
            shown._log.write("not flushed yet")
            raise ValueError("the first error")

    with pytest.raises(ValueError, match="the first error"):
        fail()


def test_a_resumed_run_writes_no_step_twice(tmp_path):
    with progress.Progress(tmp_path, steps=4, first=0) as shown:
        for step in (1, 2, 3):
            shown.log(step, {"loss": float(step)})
    with (tmp_path / "metrics.jsonl").open("a") as log:
        log.write('{"step": 4, "lo')  # what a kill leaves
    with progress.Progress(tmp_path, steps=4, first=2) as shown:
        shown.log(3, {"loss": 30.0})
    assert [(x["step"], x["loss"]) for x in _lines(tmp_path)] == [
        (1, 1),
        (2, 2),
        (3, 30),
    ]


def test_a_step_is_printed_once(tmp_path, capsys):
    with progress.Progress(tmp_path, steps=4, first=0) as shown:
        shown.log(2, {"loss": 0.5, "rate": 3.0})
        shown.log(4, {"short_RR": 0.25}, line="short_RR 0.2500 of 8 held out")
    assert capsys.readouterr().out.splitlines() == [
        "step 2: loss 0.5 rate 3",
        "step 4: short_RR 0.2500 of 8 held out",
    ]
