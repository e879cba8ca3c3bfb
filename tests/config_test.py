import dataclasses

import pytest

from optical_jax.config import Config, DataConfig, OptimizerConfig, StudentConfig


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 0}, r"steps must be at least 1, got 0"),
        ({"data": DataConfig(batch_size=0)}, r"data\.batch_size must be at least 1"),
        (
            {"data": DataConfig(buckets=(32, 16))},
            r"data\.buckets must be positive lengths",
        ),
        ({"data": DataConfig(validation_fraction=1.0)}, r"validation_fraction must be"),
        (
            {"optimizer": OptimizerConfig(learning_rate=0.0)},
            r"learning_rate must be > 0",
        ),
        ({"steps": 10}, r"warmup_steps must be between 0 and steps \(10\), got 100"),
        (
            {"optimizer": OptimizerConfig(accumulation=5)},
            r"accumulation must be a divisor of data\.batch_size \(64\), got 5",
        ),
        (
            {"student": StudentConfig(dropout=1.0)},
            r"student\.dropout must be in \[0, 1\)",
        ),
        (
            {"data": DataConfig(split_words=1.0)},
            r"data\.split_words must be in \[0, 1\), got 1\.0",
        ),
        (
            {"data": DataConfig(split_words=0.1)},
            r"data\.split_words must be 0 without student\.vocabulary\.whole_words",
        ),
    ],
)
def test_what_cannot_work_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Config(**fields)


def test_configs_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().steps = 3
