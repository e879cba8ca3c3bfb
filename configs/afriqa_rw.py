"""Kinyarwanda questions over English Wikipedia passages, distilled from bitext alone.

    python -m optical_jax.train --config configs/afriqa_rw.py --data.root RAW \
        --data.exclude COLLECTIONS/afriqa --teacher.path TEACHER
    python -m optical_jax.evaluate --workdir work/afriqa_rw --collection COLLECTIONS/afriqa \
        --queries kin-test --topline_queries kin-en-test --no-titles

RAW: see configs/public_bitext.py. 2026-11-29, seed 0, AMD EPYC with bfloat16 products, one
core beside other work: 800 steps in 5 min. R@10 .806, RR@10 .629; topline .916, .750
(results/objectives.json).
"""

from configs import public_bitext as pb
from optical_jax.config import Config


def get_config() -> Config:
    """Return the run."""
    return pb.config(
        "afriqa_rw",
        "afriqa",
        (
            *pb.lafand("kin", ("dev", "test")),
            *pb.tico19("rw"),
            *pb.flores("kin_Latn"),
            *pb.ntrex("kin"),
            *pb.questions("kin"),
        ),
        exclude_but=("kin-train",),
        steps=800,
        word_forms=32_000,
    )
