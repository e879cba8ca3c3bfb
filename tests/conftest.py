"""Eight fake CPU devices, so that every sharding test runs; no network."""

import atexit
import os
import shutil
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compiling is most of what tests do; code that runs once need not be fast. Processes that
# tests start take it over.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import numpy as np
import pytest

jax.config.update("jax_num_cpu_devices", 8)
# Many tests compile the same programs; within one session each is compiled once.
_CACHE = tempfile.mkdtemp(prefix="optical_jax_xla_")
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)
jax.config.update("jax_compilation_cache_dir", _CACHE)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
