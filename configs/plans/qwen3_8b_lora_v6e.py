"""Qwen3-8B, adapters of rank 16, on eight chips.

    python -m optical_jax.plan --config configs/plans/qwen3_8b_lora_v6e.py --topology v6e:2x4

By its shape alone, see shapes.py; not trained.
"""

from configs.plans import shapes
from optical_jax.config import Config, MeshConfig
from optical_jax.models.lora import LoraConfig
from optical_jax.models.stack import EncoderOptions


def get_config() -> Config:
    """Return the run."""
    return shapes.config(
        "qwen3_8b_lora_v6e",
        "qwen3-8b",
        batch_size=2048,
        mesh=MeshConfig(data=1, fsdp=8),
        compute=EncoderOptions(remat="full", scan=True),
        lora=LoraConfig(rank=16),
    )
