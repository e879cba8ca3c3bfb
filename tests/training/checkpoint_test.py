import errno

import grain
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.training import checkpoint
from optical_jax.training.step import TrainState


def _data():
    return iter(grain.MapDataset.source(np.arange(10)).repeat().to_iter_dataset())


def _state(value):
    return TrainState(
        jnp.asarray(value), {"w": jnp.full(4, float(value))}, {"m": jnp.ones(4)}
    )


def _save(checkpoints, step, score=None):
    metrics = None if score is None else {"rr": score}
    checkpoints.save(step, _state(step), _data(), metrics=metrics)


def test_the_newest_and_the_best_are_kept(tmp_path):
    with checkpoint.Checkpoints(tmp_path, keep=1, best_by="rr") as checkpoints:
        for step, score in ((1, 0.2), (2, 0.9), (3, None), (4, 0.5), (5, 0.6)):
            _save(checkpoints, step, score)
        checkpoints.wait()
        assert (checkpoints.latest, checkpoints.best) == (5, 2)
    kept = {int(p.name) for p in (tmp_path / "checkpoints").iterdir()}
    assert kept == {2, 5}


def test_restoring_brings_state_and_position_back(tmp_path):
    data = _data()
    with checkpoint.Checkpoints(tmp_path, keep=1, best_by="rr") as checkpoints:
        for _ in range(3):
            next(data)
        checkpoints.save(3, _state(3), data, metrics=None)
        checkpoints.wait()
        rest = [next(data) for _ in range(3)]
        fresh = _data()
        state = checkpoints.restore(3, _state(0), fresh)
    assert int(state.step) == 3
    np.testing.assert_array_equal(state.params["w"], np.full(4, 3.0))
    assert [next(fresh) for _ in range(3)] == rest


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "no space left on the disk while saving",
        ),
        (TimeoutError("timed out after 3600 seconds"), "or the clock was set"),
    ],
)
def test_a_failed_save_is_named_and_the_previous_checkpoint_stays(
    tmp_path, monkeypatch, error, message
):
    with checkpoint.Checkpoints(tmp_path, keep=1, best_by="rr") as checkpoints:
        _save(checkpoints, 1, 0.5)
        checkpoints.wait()

        def fail(*_args, **_kwargs):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(checkpoints._checkpointer, "save_checkpointables_async", fail)
            with pytest.raises(OSError, match=message):
                _save(checkpoints, 2, 0.6)
        assert checkpoints.latest == 1
        assert int(checkpoints.restore(1, _state(0), _data()).step) == 1


def test_no_checkpoint_yet(tmp_path):
    with checkpoint.Checkpoints(tmp_path, keep=1, best_by="rr") as checkpoints:
        assert checkpoints.latest is None
        assert checkpoints.best is None


def test_checkpoints_measured_otherwise_are_never_the_best(tmp_path):
    with checkpoint.Checkpoints(tmp_path, keep=3, best_by="other") as checkpoints:
        _save(checkpoints, 1, 0.9)
        checkpoints.wait()
    with checkpoint.Checkpoints(tmp_path, keep=1, best_by="rr") as checkpoints:
        checkpoints.save(2, _state(2), _data(), metrics={"other": 1.0})
        checkpoints.wait()
        assert (checkpoints.latest, checkpoints.best) == (2, 1)
    kept = {int(p.name) for p in (tmp_path / "checkpoints").iterdir()}
    assert kept == {1, 2}
