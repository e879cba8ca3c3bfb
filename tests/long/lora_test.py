"""A run that trains adapters of a decoder, rematerialised and in a loop."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx

from optical_jax import convert, train
from optical_jax.config import MeshConfig, StudentConfig
from optical_jax.models import folder, parity
from optical_jax.models.lora import LoraConfig
from optical_jax.models.stack import EncoderOptions
from optical_jax.training import checkpoint, optimizer, trained, workdir
from optical_jax.training.student import with_attention
from tests.models import tiny
from tests.training import tiny_run

_TEXTS = ["habari dunia", "who wrote the book?", "the"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    root = tmp_path_factory.mktemp("run")
    tiny_run.write_inputs(root)
    folder.save(tiny.make(tiny.TOKENWISE, family="llama"), root / "decoder")
    student = StudentConfig(
        path=str(root / "decoder"),
        bidirectional=True,
        lora=LoraConfig(rank=2, alpha=4.0, targets=("/(query|value|down)$",)),
        compute=EncoderOptions(remat="dots", scan=True),
    )
    config = tiny_run.config(
        root,
        root / "work",
        student=student,
        mesh=MeshConfig(data=2, fsdp=2, tensor=2),
        eval_every=6,
        stop_after=3,
    )
    train.run(config)
    result = train.run(dataclasses.replace(config, stop_after=0))
    return config, result


def _flat(params):
    return {
        "/".join(map(str, p)): np.asarray(v[...]) for p, v in nnx.to_flat_state(params)
    }


def test_what_was_trained_is_merged_and_the_rest_is_as_it_was(run):
    config, result = run
    start = folder.load(result.workdir / "student")
    student = workdir.load_student(result.workdir, step=6)
    before, after = _flat(start.params), _flat(student.params)
    assert before.keys() == after.keys()
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed == {
        f"encoder/layers/{i}/{name}/kernel"
        for i in range(2)
        for name in ("query", "value", "down")
    }
    for name in changed:  # of rank 2
        values = np.linalg.svd(after[name] - before[name], compute_uv=False)
        assert values[1] > 1e-5 > values[2], name
    assert student.encoder.use_bidirectional_attention


def test_checkpoints_and_optimizer_hold_adapters_alone(run):
    config, result = run
    student = folder.load(result.workdir / "student")
    learned, fixed = trained.start(config, student)
    assert not set(_flat(learned)) & set(_flat(fixed))
    assert len(_flat(learned)) == 2 * 3 * 2
    tx = optimizer.make(config.optimizer, learned, steps=6, freeze=())
    held = [x for x in jax.tree.leaves(tx.init(learned)) if x.ndim]
    assert sum(x.size for x in held) == 2 * sum(x.size for x in _flat(learned).values())
    with checkpoint.Checkpoints(
        result.workdir, keep=2, best_by=config.validation.metric, read_only=True
    ) as checkpoints:
        found = checkpoints.restore_params(6, trained.abstract(config, student))
    assert _flat(found).keys() == _flat(learned).keys()


def test_the_export_is_a_plain_encoder_with_the_vectors_of_the_run(run, tmp_path):
    _, result = run
    options = convert.Options(input=result.workdir, output=tmp_path / "out")
    assert convert.convert(options) <= parity.TOLERANCE
    exported = folder.load(tmp_path / "out")
    student = workdir.load_student(result.workdir)
    for a, b in zip(
        tiny.vectors(exported, exported.text.queries(_TEXTS)),
        tiny.vectors(student, student.text.queries(_TEXTS)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_only_decoders_have_two_kinds_of_attention():
    decoder = tiny.make(tiny.TOKENWISE, family="qwen3")
    assert with_attention(decoder, bidirectional=None) is decoder
    turned = with_attention(decoder, bidirectional=True)
    rows = decoder.text.queries(_TEXTS[:1])
    (causal,), (both,) = tiny.vectors(decoder, rows), tiny.vectors(turned, rows)
    assert np.abs(causal[0] - both[0]).max() > 1e-3
    with pytest.raises(ValueError, match="for decoders, got True with a bert"):
        with_attention(tiny.make(tiny.TOKENWISE), bidirectional=True)


def test_freezing_and_adapters_exclude_each_other(tmp_path):
    student = StudentConfig(lora=LoraConfig(rank=2), freeze=("embeddings",))
    with pytest.raises(ValueError, match=r"student\.freeze must be empty with student"):
        tiny_run.config(tmp_path, tmp_path / "work", student=student)
