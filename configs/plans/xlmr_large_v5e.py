"""XLM-R-large on 16 chips.

    python -m optical_jax.plan --config configs/plans/xlmr_large_v5e.py --topology v5e:4x4

By its shape alone, see shapes.py; not trained.
"""

from configs.plans import shapes
from optical_jax.config import Config, MeshConfig
from optical_jax.models.stack import EncoderOptions


def get_config() -> Config:
    """Return the run."""
    return shapes.config(
        "xlmr_large_v5e",
        "xlm-roberta-large",
        batch_size=2048,
        mesh=MeshConfig(data=1, fsdp=16),
        compute=EncoderOptions(remat="full", scan=True),
    )
