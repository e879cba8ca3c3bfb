"""An encoder of another family is given a vocabulary, trained, frozen in part, exported."""

import json
from pathlib import Path

import numpy as np
from flax import nnx

from optical_jax import convert, train
from optical_jax.config import MeshConfig, StudentConfig
from optical_jax.models import families, folder, parity
from optical_jax.models.vocabulary import VocabularyConfig
from optical_jax.training import workdir
from tests.models import tiny
from tests.training import tiny_run


def _flat(params: nnx.State) -> dict:
    return {path: np.asarray(leaf[...]) for path, leaf in nnx.to_flat_state(params)}


def test_t5_from_bitext_to_a_folder(tmp_path: Path) -> None:
    tiny_run.write_inputs(tmp_path, family="t5")
    config = tiny_run.config(
        tmp_path,
        tmp_path / "run",
        student=StudentConfig(
            vocabulary=VocabularyConfig(size=60), freeze=("layers/0/",), dropout=0.1
        ),
        steps=3,
        mesh=MeshConfig(data=2, fsdp=2, tensor=2),
    )
    train.run(config)
    lines = Path(config.workdir, "metrics.jsonl").read_text().splitlines()
    norms = [r["grad_norm"] for r in map(json.loads, lines) if "grad_norm" in r]
    assert len(norms) == 3
    assert min(norms) > 1e-3
    teacher = folder.load(tmp_path / "teacher")
    before = folder.load(tmp_path / "run" / "student")
    after = workdir.load_student(config.workdir, step=3)
    assert after.encoder.model_type == "t5"
    assert after.encoder.vocab_size > teacher.encoder.vocab_size
    trained = _flat(after.params)
    moved = {
        path: not np.array_equal(value, trained[path])
        for path, value in _flat(before.params).items()
    }
    assert not any(flag for path, flag in moved.items() if path[1:3] == ("layers", 0))
    assert all(flag for path, flag in moved.items() if path[1:3] == ("layers", 1))
    assert moved["encoder", *families.WORD]
    assert moved["encoder", "relative_bias", "table", "embedding"]
    options = convert.Options(
        input=tmp_path / "run", output=tmp_path / "out", format="encoder"
    )
    assert convert.convert(options) <= parity.TOLERANCE
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert written["architectures"] == ["T5EncoderModel"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "T5EncoderModel.from_pretrained(" in card
    read = folder.load(tmp_path / "out", head=tiny.TOKENWISE)
    # The best step is exported, which is seldom the last of so few.
    best = _flat(workdir.load_student(config.workdir).params)
    for path, value in _flat(read.params).items():
        np.testing.assert_array_equal(value, best[path])
