"""Eight fake CPU devices, so that every sharding test runs; no network."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np
import pytest

jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
