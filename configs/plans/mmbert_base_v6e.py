"""mmBERT-base on 16 chips.

    python -m optical_jax.plan --config configs/plans/mmbert_base_v6e.py --topology v6e:4x4

By its shape alone, see shapes.py; not trained.
"""

from configs.plans import shapes
from optical_jax.config import Config, MeshConfig
from optical_jax.models.stack import EncoderOptions


def get_config() -> Config:
    """Return the run."""
    return shapes.config(
        "mmbert_base_v6e",
        "mmbert-base",
        batch_size=2048,
        mesh=MeshConfig(data=16),
        compute=EncoderOptions(remat="full", scan=True),
    )
