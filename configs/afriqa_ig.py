"""Igbo questions over English Wikipedia passages, distilled from bitext alone.

    python -m optical_jax.train --config configs/afriqa_ig.py --data.root RAW \
        --data.exclude COLLECTIONS/afriqa --teacher.path TEACHER
    python -m optical_jax.evaluate --workdir work/afriqa_ig --collection COLLECTIONS/afriqa \
        --queries ibo-test --topline_queries ibo-en-test --no-titles

RAW: see configs/public_bitext.py. 2026-11-29, seed 0, AMD EPYC with bfloat16 products, one
core beside other work: 800 steps in 6 min. R@10 .888, RR@10 .681; topline .919, .738
(results/objectives.json).
"""

from configs import public_bitext as pb
from optical_jax.config import Config


def get_config() -> Config:
    """Return the run."""
    return pb.config(
        "afriqa_ig",
        "afriqa",
        (
            *pb.lafand("ibo", ("train", "dev", "test")),
            *pb.flores("ibo_Latn"),
            *pb.ntrex("ibo"),
            *pb.questions("ibo"),
        ),
        exclude_but=("ibo-train",),
        steps=800,
    )
