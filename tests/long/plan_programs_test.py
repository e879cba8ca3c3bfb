"""The run's own programs compiled; eight CPU devices stand for a topology's."""

import dataclasses
import importlib.util
import json

import jax
import numpy as np
import pytest

from optical_jax.config import (
    Config,
    DataConfig,
    MeshConfig,
    ObjectiveConfig,
    OptimizerConfig,
    StudentConfig,
    TeacherConfig,
)
from optical_jax.models import families
from optical_jax.models.head import HeadConfig
from optical_jax.models.lora import LoraConfig
from optical_jax.models.retriever import count
from optical_jax.models.stack import EncoderOptions
from optical_jax.models.vocabulary import VocabularyConfig
from optical_jax.planning import compilation, programs, shapes, topology
from tests.models import tiny

HAS_LIBTPU = importlib.util.find_spec("libtpu") is not None


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Config:
    """A run of an encoder that is a config.json and nothing else."""
    path = tmp_path_factory.mktemp("plan") / "encoder.json"
    encoder = dataclasses.replace(
        tiny.make(tiny.TOKENWISE).encoder, num_hidden_layers=3
    )
    path.write_text(json.dumps(families.config_fields(encoder)))
    return Config(
        name="tiny",
        teacher=TeacherConfig(path=str(path), head=tiny.TOKENWISE),
        student=StudentConfig(vocabulary=VocabularyConfig(mode="keep")),
        data=DataConfig(batch_size=16, buckets=(8, 16)),
        optimizer=OptimizerConfig(warmup_steps=2),
        mesh=MeshConfig(data=2, fsdp=2, tensor=2),
    )


def _with(config: Config, **student: object) -> Config:
    changed = dataclasses.replace(config.student, **student)
    return dataclasses.replace(config, student=changed)


@pytest.fixture(scope="module")
def compiled(config):
    """The train step with the layers in a loop, and one after the other."""
    return {
        scan: programs.train(
            _with(config, compute=EncoderOptions(scan=scan)), jax.devices()
        )
        for scan in (True, False)
    }


def test_scanned_layers_cost_what_layers_in_turn_do(compiled):
    assert compiled[True].unknown_loops == compiled[False].unknown_loops == 0
    assert compiled[True].flops == pytest.approx(compiled[False].flops, rel=0.02)
    assert compiled[True].model_flops == pytest.approx(
        compiled[False].model_flops, rel=0.02
    )


def test_a_step_holds_parameters_and_both_moments_of_adam(compiled, config):
    one = compiled[False]
    params = count(programs.retriever.abstract_params(*_parts(config)))
    # Kernels are cut over fsdp and tensor, small vectors are not.
    assert 3 * params * 4 / 4 < one.arguments < 3 * params * 4
    # The cached teacher is not called, and lies there all the same.
    assert params * 4 / 4 <= one.held < params * 4
    assert one.memory == sum(
        (one.arguments, one.held, one.temporaries, one.outputs, one.code)
    )
    axes = {axis for c in one.collectives for axis in c.axes}
    assert axes == {"data", "fsdp", "tensor"}
    assert one.sent > 0
    assert one.bytes_accessed > one.arguments


@pytest.mark.parametrize("scan", [False, True])
def test_what_is_sent_does_not_grow_with_the_batch(config, scan):
    # Kernels travel to the texts: all of them twice, and their gradients once or twice.
    params = count(programs.retriever.abstract_params(*_parts(config)))
    config = _with(config, compute=EncoderOptions(scan=scan))
    sent = {}
    for texts in (64, 512):
        wide = dataclasses.replace(
            config,
            mesh=MeshConfig(data=1, fsdp=8),
            data=DataConfig(batch_size=texts, buckets=(16,)),
        )
        sent[texts] = programs.train(wide, jax.devices()).sent
    # Gradients of word embeddings, a row a token, are what grows.
    assert sent[512] < 1.5 * sent[64]
    assert sent[512] < 6 * 4 * params


def _parts(config: Config) -> tuple:
    found = shapes.encoders(config).student
    return found.encoder, found.head


def test_batches_are_as_the_data_makes_them(config):
    found = shapes.encoders(config)
    batch = shapes.batch(config, found)
    width = found.teacher.width
    assert {k: v["mask"].shape for k, v in batch.items()} == {
        "student/target": (16, 16),
        "teacher/source": (16, 16),
    }
    assert batch["teacher/source"]["vectors"].shape == (16, 16, width)
    assert batch["teacher/source"]["vectors"].dtype == np.float16
    assert shapes.batch(config, found, length=8)["student/target"]["ids"].shape == (
        16,
        8,
    )
    live = dataclasses.replace(
        config, data=dataclasses.replace(config.data, cache_teacher=False)
    )
    assert "ids" in shapes.batch(live, found)["teacher/source"]


def test_new_pieces_make_rows(config):
    rows = shapes.encoders(config).student.encoder.vocab_size
    new = VocabularyConfig(mode="extend", size=1000, row_multiple=128)
    more = shapes.encoders(_with(config, vocabulary=new)).student.encoder.vocab_size
    assert more % 128 == 0
    assert rows + 1000 <= more < rows + 1128


def test_adapters_have_no_state_beside_them(config):
    adapted = _with(config, lora=LoraConfig(rank=2))
    found = shapes.encoders(adapted)
    batch = shapes.batch(adapted, found)
    mesh = programs.sharding.make_mesh(adapted.mesh)
    _, (state, frozen, _, _) = programs._step(adapted, found, batch, mesh)
    learned, fixed = count(state.params), count(frozen.student)
    assert 0 < learned < fixed
    assert count(frozen.student) == count(frozen.teacher)


def test_encoding_and_search_compile(config):
    encoding = programs.encoding(config, jax.devices(), per_device=2)
    assert encoding.examples == 16
    # Each device encodes its own texts: nothing is sent.
    assert encoding.collectives == ()
    assert encoding.flops == pytest.approx(encoding.model_flops, rel=0.02)
    search = programs.searching(config, jax.devices(), queries=2)
    width, head = shapes.encoders(config).student.width, tiny.TOKENWISE
    tokens = search.examples * head.document_length
    assert search.model_flops == 2 * tokens * 2 * head.query_length * width


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"teacher": TeacherConfig()}, r"teacher.path must name an encoder's folder"),
        ({"teacher": TeacherConfig(path="no.json")}, r"there is no file no.json"),
        ({"objective": ObjectiveConfig(mix="scores")}, r"sizes come from the data"),
        (
            {"student": StudentConfig(head=HeadConfig(projection=3))},
            r"must be as wide as the teacher's",
        ),
        (
            {"data": DataConfig(batch_size=6)},
            r"data.batch_size must be divisible by .* = 4, got 6",
        ),
    ],
)
def test_what_no_run_could_do_is_refused(config, fields, message):
    changed = dataclasses.replace(config, **fields)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        programs.train(changed, jax.devices())


def test_a_config_json_needs_a_head(config):
    bare = dataclasses.replace(config.teacher, head=None)
    with pytest.raises(ValueError, match=r"teacher.head must be given"):
        shapes.encoders(dataclasses.replace(config, teacher=bare))


def test_the_compiler_says_what_a_refused_program_needs():
    message = (
        "RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran out of memory on HBM, the total "
        "memory required for HLO temporaries (47.68G) exceeds available HBM (15.75G)."
    )
    assert compilation.needed_bytes(message) == 47.68 * 2**30
    assert compilation.needed_bytes("RESOURCE_EXHAUSTED") == 0


@pytest.mark.skipif(not HAS_LIBTPU, reason="needs libtpu, the TPU compiler")
def test_the_real_compiler_scores_a_block(config):
    place = topology.parse("v5e:2x2")
    found = programs.searching(config, topology.devices(place), queries=2)
    assert found.flops >= found.model_flops > 0
    assert 0 < found.memory < place.hbm_per_device
