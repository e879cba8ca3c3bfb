"""Hausa questions over English Wikipedia passages, distilled from bitext alone.

    python -m optical_jax.train --config configs/afriqa_ha.py --data.root RAW \
        --data.exclude COLLECTIONS/afriqa --teacher.path TEACHER
    python -m optical_jax.evaluate --workdir work/afriqa_ha --collection COLLECTIONS/afriqa \
        --queries hau-test --topline_queries hau-en-test --no-titles

RAW: see configs/public_bitext.py. 2026-11-29, seed 0, AMD EPYC with bfloat16 products, one
core beside other work: 800 steps in 7 min. R@10 .827, RR@10 .631; topline .913, .718
(results/objectives.json).
"""

from configs import public_bitext as pb
from optical_jax.config import Config


def get_config() -> Config:
    """Return the run."""
    return pb.config(
        "afriqa_ha",
        "afriqa",
        (
            *pb.lafand("hau", ("train", "dev", "test")),
            *pb.tico19("ha"),
            *pb.flores("hau_Latn"),
            *pb.ntrex("hau"),
            *pb.questions("hau"),
        ),
        exclude_but=("hau-train",),
        steps=800,
    )
