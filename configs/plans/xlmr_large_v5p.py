"""XLM-R-large on 8 to 1,024 chips: copies of 8 chips each, the batch grows with them.

    python -m optical_jax.plan --config configs/plans/xlmr_large_v5p.py --topology v5p:2x2x2 \
        --weak_scaling v5p:4x4x4 v5p:8x8x8 v5p:8x8x16

By its shape alone, see shapes.py; not trained.
"""

from configs.plans import shapes
from optical_jax.config import Config, MeshConfig
from optical_jax.models.stack import EncoderOptions


def get_config() -> Config:
    """Return the run."""
    return shapes.config(
        "xlmr_large_v5p",
        "xlm-roberta-large",
        batch_size=1024,
        mesh=MeshConfig(data=-1, fsdp=8),
        compute=EncoderOptions(remat="full", scan=True),
    )
