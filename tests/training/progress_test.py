import json

from optical_jax.training import progress


def _lines(workdir):
    return [json.loads(x) for x in (workdir / "metrics.jsonl").read_text().splitlines()]


def test_scalars_go_to_a_file_and_to_tensorboard(tmp_path):
    with progress.Progress(tmp_path, steps=4, first=0) as shown:
        shown.log(2, {"loss": 0.5})
        shown.step(2)
    (line,) = _lines(tmp_path)
    assert (line["step"], line["loss"]) == (2, 0.5)
    assert any((tmp_path / "tensorboard").iterdir())


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
