"""Somali headlines over English news, distilled from bitext alone.

    python -m optical_jax.train --config configs/headlines_so.py --data.root RAW \
        --data.exclude COLLECTIONS/ntrex-headlines --teacher.path TEACHER
    python -m optical_jax.evaluate --workdir work/headlines_so \
        --collection COLLECTIONS/ntrex-headlines --queries som --topline_queries en --no-titles

RAW: see configs/public_bitext.py. 2026-11-29, seed 0, AMD EPYC with bfloat16 products, one
core beside other work: 200 steps in 4 min. R@10 .951, RR@10 .849; topline .967, .890
(results/objectives.json).
"""

from configs import public_bitext as pb
from optical_jax.config import Config


def get_config() -> Config:
    """Return the run."""
    return pb.config(
        "headlines_so",
        "ntrex-headlines",
        (
            *pb.tico19("so", "en_so.tsv.tmx-2020-4-29_3-9.zip"),
            pb.moses("hornmt", "hornmt/data/eng.txt", "hornmt/data/som.txt"),
            *pb.flores("som_Latn"),
        ),
        steps=200,
        cache_teacher=False,
    )
