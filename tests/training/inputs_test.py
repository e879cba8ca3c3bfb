import jax
import numpy as np
import pytest

from optical_jax.config import MeshConfig
from optical_jax.models import folder
from optical_jax.retrieval import encode
from optical_jax.training import inputs, sharding
from tests.models import tiny
from tests.training import tiny_run

MESH = MeshConfig(data=2, fsdp=4)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs")
    tiny_run.write_inputs(path)
    return path


def _is_cut(params, mesh):
    """Every leaf lies where it should, and most of the numbers on one device in four."""
    wanted = sharding.of_state(jax.eval_shape(lambda: params), mesh)
    held = whole = 0
    for leaf, where in zip(
        jax.tree.leaves(params), jax.tree.leaves(wanted), strict=True
    ):
        assert leaf.sharding.is_equivalent_to(where, leaf.ndim)
        held += leaf.addressable_shards[0].data.size
        whole += leaf.size
    assert held < whole / 3


def _are_equal(params, expected):
    jax.tree.map(np.testing.assert_array_equal, params, expected)


def test_encoders_come_from_their_files_to_their_shards(root, tmp_path, monkeypatch):
    config = tiny_run.config(root, tmp_path / "run", mesh=MESH)
    run, mesh, loaded = tmp_path / "run", sharding.make_mesh(MESH), []
    load = folder.load

    def watched(*args, **kwargs):
        loaded.append(load(*args, **kwargs))
        return loaded[-1]

    monkeypatch.setattr(folder, "load", watched)
    run.mkdir()
    for again in (False, True):
        made = inputs.make(config, run, say=lambda _: None)
        for model, kept in ((made.student, "student"), (made.teacher, "../teacher")):
            _is_cut(model.params, mesh)
            path = run / kept if kept == "student" else root / "teacher"
            _are_equal(model.params, load(path).params)
        # Nothing that was read on the way lay whole on a device.
        assert len(loaded) == (2 if again else 3), len(loaded)
        for model in loaded:
            _is_cut(model.params, mesh)
        loaded.clear()


def test_texts_are_encoded_where_the_parameters_lie():
    model = tiny.make(tiny.TOKENWISE)
    mesh = sharding.make_mesh(MESH)
    where = sharding.of_state(jax.eval_shape(lambda: model.params), mesh)
    cut = model.with_params(jax.device_put(model.params, where))
    texts = tiny.TEXTS[:8]
    for size in (8, 3):  # one that 8 devices share, and one that they cannot
        found = encode.encode_queries(cut, texts, batch_size=size)
        expected = encode.encode_queries(model, texts, batch_size=size)
        np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)
        np.testing.assert_array_equal(found.offsets, expected.offsets)
