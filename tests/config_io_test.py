import importlib
from pathlib import Path

import pytest

from optical_jax import config_io
from optical_jax.config import Config, DataConfig, StudentConfig
from optical_jax.data.sources import BitextSource
from optical_jax.models.head import HeadConfig
from optical_jax.objectives.contrastive import ContrastiveConfig
from optical_jax.objectives.mixture import ObjectiveConfig
from optical_jax.objectives.transport import TransportConfig

_PRESETS = sorted(
    p for p in Path("configs").glob("[a-z]*.py") if p.stem != "public_bitext"
)


@pytest.mark.parametrize("path", _PRESETS, ids=lambda p: p.stem)
def test_every_preset_loads_and_survives_json(path):
    config = config_io.load_preset(path)
    assert config_io.from_json(config_io.to_json(config)) == config
    # The docstring is the experiment's record; a run it cannot start is none.
    assert (
        "python -m optical_jax"
        in importlib.import_module(f"configs.{path.stem}").__doc__
    )


def test_any_field_can_be_set_from_the_command_line():
    argv = [
        "--objective.transport.epsilon",
        "0.1",
        "--mesh.data",
        "4",
        "--mesh.fsdp",
        "2",
    ]
    argv += ["--student.vocabulary.mode", "replace", "--data.buckets", "8", "16"]
    config = config_io.parse(argv, prog="train")
    assert config.objective.transport == TransportConfig(epsilon=0.1)
    assert (config.mesh.data, config.mesh.fsdp) == (4, 2)
    assert config.student.vocabulary.mode == "replace"
    assert config.data.buckets == (8, 16)


def test_overrides_lie_over_a_preset(tmp_path):
    preset = tmp_path / "mine.py"
    preset.write_text(
        "from optical_jax.config import Config\n"
        "get_config = lambda: Config(name='mine', steps=7000, seed=3)\n"
    )
    config = config_io.parse(["--config", str(preset), "--seed", "4"], prog="train")
    assert (config.name, config.steps, config.seed) == ("mine", 7000, 4)


def test_a_typo_gets_the_right_name(capsys):
    with pytest.raises(SystemExit):
        config_io.parse(["--objective.transport.epsilom", "0.1"], prog="train")
    assert "--objective.transport.epsilon" in capsys.readouterr().err


def test_a_bad_value_names_field_rule_and_value(capsys):
    with pytest.raises(SystemExit):
        config_io.parse(["--objective.transport.epsilon", "0"], prog="train")
    shown = " ".join(capsys.readouterr().err.split())
    assert "objective.transport.epsilon must be > 0" in shown


def test_json_keeps_every_kind_of_field():
    config = Config(
        objective=ObjectiveConfig(
            mix="contrastive", contrastive=ContrastiveConfig(temperature=2.0)
        ),
        student=StudentConfig(head=HeadConfig(projection=8, skiplist=("!",))),
        data=DataConfig(
            sources=(
                BitextSource(name="a", format="tsv", source="a.tsv", columns=(2, 1)),
            )
        ),
    )
    assert config_io.from_json(config_io.to_json(config)) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"stepz": 3}', r"config has no field 'stepz'; did you mean 'steps'\?"),
        ('{"objective": {"mix": "transprt"}}', r"did you mean 'transport'\?"),
        (
            '{"objective": {"transport": {"epsilom": 1}}}',
            r"transport has no field 'epsilom'; did you mean 'epsilon'\?",
        ),
    ],
)
def test_json_of_another_schema_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        config_io.from_json(text)


def test_a_preset_must_be_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no config file .*; there are: none"):
        config_io.load_preset(tmp_path / "none.py")
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"must define get_config"):
        config_io.load_preset(tmp_path / "a.py")
    (tmp_path / "b.py").write_text("get_config = dict\n")
    with pytest.raises(ValueError, match=r"must return a Config, got dict"):
        config_io.load_preset(tmp_path / "b.py")
