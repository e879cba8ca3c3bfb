"""all-MiniLM-L6-v2 on 8 to 1,024 chips: copies of 8 chips each, the batch grows with them.

    python -m optical_jax.plan --config configs/plans/minilm_v5p.py --topology v5p:2x2x2 \
        --weak_scaling v5p:4x4x4 v5p:8x8x8 v5p:8x8x16

By its shape alone, see shapes.py; not trained. The plans: results/plans.json.
"""

from configs.plans import shapes
from optical_jax.config import Config, MeshConfig
from optical_jax.models.head import HeadConfig
from optical_jax.models.stack import EncoderOptions
from optical_jax.models.vocabulary import VocabularyConfig


def get_config() -> Config:
    """Return the run."""
    return shapes.config(
        "minilm_v5p",
        "all-minilm-l6-v2",
        head=HeadConfig(query_length=64, document_length=256),
        batch_size=2048,
        mesh=MeshConfig(data=-1, fsdp=8),
        compute=EncoderOptions(scan=True),
        vocabulary=VocabularyConfig(mode="extend", size=12_000),
    )
