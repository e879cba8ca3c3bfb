import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.config import Config, MeshConfig, OptimizerConfig, StudentConfig
from optical_jax.models.lora import LoraConfig
from optical_jax.training import sharding, trained, used_rows
from optical_jax.training import step as step_lib
from tests.models import tiny

_ADAGRAD = OptimizerConfig(
    embedding_optimizer="adagrad",
    embedding_rate=10.0,
    learning_rate=1e-2,
    eps=1e-3,
    warmup_steps=0,
)


def _batches(steps=3, texts=8, length=6, pad=0):
    rng = np.random.default_rng(0)

    def field():
        mask = np.arange(length) < rng.integers(2, length + 1, texts)[:, None]
        ids = rng.integers(5, 25, (texts, length)).astype(np.int32)
        ids[~mask] = pad
        return {"ids": ids, "mask": mask, "scored": mask}

    names = ("student/target", "teacher/source")
    return [{name: field() for name in names} for _ in range(steps)]


def _trained(config, family="bert"):
    """State after a few steps, losses, and parameters before."""
    model = tiny.make(tiny.TOKENWISE, family=family)
    mesh = sharding.make_mesh(config.mesh)
    tx, start = step_lib.initial(config, trained.abstract(config, model))
    shardings = sharding.of_state(jax.eval_shape(start, model.params), mesh)
    state = jax.jit(start, out_shardings=shardings)(model.params)
    teacher = sharding.place(model.params, shardings.params)
    step = step_lib.make_step(
        config,
        model,
        model,
        tx,
        shardings=shardings,
        frozen_shardings=step_lib.Frozen(teacher=shardings.params),
        mesh=mesh,
    )
    losses = []
    for batch in _batches(pad=model.encoder.pad_token_id):
        placed = sharding.to_global(batch, mesh)
        state, metrics = step(
            state, step_lib.Frozen(teacher=teacher), placed, jax.random.key(0)
        )
        losses.append([float(metrics["loss"]), float(metrics["grad_norm"])])
    return state, np.array(losses), model.params


@pytest.mark.long
@pytest.mark.parametrize(
    ("family", "mesh", "parts"),
    [
        # Its positions depend on which ids are padding.
        ("xlm-roberta", MeshConfig(data=2, fsdp=2, tensor=2), {"accumulation": 2}),
        ("bert", MeshConfig(data=4, fsdp=2), {"gradcache_chunk": 8}),
    ],
)
def test_a_step_over_used_rows_is_a_step(monkeypatch, family, mesh, parts):
    config = Config(mesh=mesh, optimizer=dataclasses.replace(_ADAGRAD, **parts))
    narrow, losses, start = _trained(config, family)
    monkeypatch.setattr(used_rows, "serves", lambda *_: False)
    whole, expected, _ = _trained(config, family)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for one, other in zip(jax.tree.leaves(narrow), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
    table = narrow.params["encoder"]["embeddings"]["word"]["embedding"][...]
    before = start["encoder"]["embeddings"]["word"]["embedding"][...]
    fields = [b["student/target"] for b in _batches()]
    used = np.unique(np.concatenate([f["ids"][f["mask"]] for f in fields]))
    moved = np.flatnonzero((np.asarray(table) != np.asarray(before)).any(axis=1))
    assert set(moved) <= set(used)
    assert len(moved) > len(used) / 2


def test_narrow_and_widen_undo_each_other():
    state = {"params": tiny.make(tiny.TOKENWISE).params, "step": jnp.zeros(())}
    batch = _batches(1)[0]
    narrow, own, rows = used_rows.narrow(state, batch)
    table = lambda s: s["params"]["encoder"]["embeddings"]["word"]["embedding"][...]
    ids = batch["student/target"]["ids"]
    np.testing.assert_array_equal(
        table(narrow)[own["student/target"]["ids"]], table(state)[ids]
    )
    assert own["teacher/source"] is batch["teacher/source"]
    assert len(table(narrow)) == len(rows) == min(ids.size, len(table(state)))
    back = used_rows.widen(narrow, state, rows)
    jax.tree.map(np.testing.assert_array_equal, back, state)


@pytest.mark.parametrize(
    ("student", "optimizer"),
    [
        (StudentConfig(), OptimizerConfig()),
        (StudentConfig(freeze=("embeddings/",)), _ADAGRAD),
        (StudentConfig(lora=LoraConfig(rank=2, targets=("query",))), _ADAGRAD),
    ],
)
def test_other_runs_step_over_the_whole_table(student, optimizer):
    config = Config(student=student, optimizer=optimizer)
    abstract = trained.abstract(config, tiny.make(tiny.TOKENWISE))
    assert not used_rows.serves(config, abstract)
    assert used_rows.serves(
        Config(optimizer=_ADAGRAD),
        trained.abstract(Config(), tiny.make(tiny.TOKENWISE)),
    )
