"""Qwen3-8B, all parameters, on 64 chips.

    python -m optical_jax.plan --config configs/plans/qwen3_8b_v5p.py --topology v5p:4x4x4

By its shape alone, see shapes.py; not trained.
"""

from configs.plans import shapes
from optical_jax.config import Config, MeshConfig
from optical_jax.models.stack import EncoderOptions


def get_config() -> Config:
    """Return the run."""
    return shapes.config(
        "qwen3_8b_v5p",
        "qwen3-8b",
        batch_size=8192,
        mesh=MeshConfig(data=1, fsdp=64),
        compute=EncoderOptions(remat="full", scan=True),
    )
