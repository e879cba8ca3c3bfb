"""all-MiniLM-L6-v2 with 12,000 new pieces on four chips.

    python -m optical_jax.plan --config configs/plans/minilm_v5e.py --topology v5e:2x2

Planned by its shape alone, see shapes.py; not trained. The plan: results/plans.json.
"""

from configs.plans import shapes
from optical_jax.config import Config, MeshConfig
from optical_jax.models.head import HeadConfig
from optical_jax.models.stack import EncoderOptions
from optical_jax.models.vocabulary import VocabularyConfig


def get_config() -> Config:
    """Return the run."""
    return shapes.config(
        "minilm_v5e",
        "all-minilm-l6-v2",
        head=HeadConfig(query_length=64, document_length=256),
        batch_size=1024,
        mesh=MeshConfig(data=4),
        compute=EncoderOptions(scan=True),
        vocabulary=VocabularyConfig(mode="extend", size=12_000),
    )
