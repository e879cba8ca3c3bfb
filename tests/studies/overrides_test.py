import pytest

from optical_jax.config import Config
from optical_jax.models.head import HeadConfig
from optical_jax.studies import overrides


def test_fields_are_replaced_at_any_depth():
    config = overrides.apply(
        Config(),
        {
            "steps": 7,
            "optimizer.warmup_steps": 3,
            "objective.transport.epsilon": 1,
            "data.buckets": [8, 16],
            "teacher.head": {"query_length": 12},
        },
    )
    # Warm-up of 100 steps and 7 steps would not be valid together: all is set at once.
    assert (config.steps, config.optimizer.warmup_steps) == (7, 3)
    assert config.objective.transport.epsilon == 1.0
    assert type(config.objective.transport.epsilon) is float
    assert config.data.buckets == (8, 16)
    assert config.teacher.head == HeadConfig(query_length=12)
    assert overrides.apply(config, {}) == config


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"objective.transport.epsilom": 1}, r"epsilom' is no field .* 'epsilon'\?"),
        ({"nothing": 1}, r"'nothing' is no field of a config"),
        (
            {"teacher.head.query_length": 8},
            r"teacher\.head is None, which has no fields",
        ),
        ({"seed": 1, "seed.x": 2}, r"'seed\.x' is within another override"),
        ({"optimizer.schedule": 1, "optimizer": {}}, r"holds another override"),
        ({"steps": 0}, r"steps must be at least 1, got 0"),
        ({"steps": "many"}, r"steps must be of type int, got 'many'"),
    ],
)
def test_what_is_wrong_is_named(given, message):
    with pytest.raises(ValueError, match=message):
        overrides.apply(Config(), given)


def test_values_on_a_command_line():
    given = [
        "data.root=/a b",
        "steps=5",
        "data.buckets=[8]",
        "name=x=y",
        "student=null",
    ]
    assert overrides.parse(given) == {
        "data.root": "/a b",
        "steps": 5,
        "data.buckets": [8],
        "name": "x=y",
        "student": None,
    }
    one = overrides.apply(Config(), overrides.parse(["data.exclude=folder"]))
    assert one.data.exclude == ("folder",)
    for wrong in ("steps", "=5"):
        with pytest.raises(ValueError, match=r"an override is path=value"):
            overrides.parse([wrong])
