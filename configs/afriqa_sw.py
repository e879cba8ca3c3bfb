"""Swahili questions over English Wikipedia passages, distilled from bitext alone.

    python -m optical_jax.train --config configs/afriqa_sw.py --data.root RAW \
        --data.exclude COLLECTIONS/afriqa --teacher.path TEACHER
    python -m optical_jax.evaluate --workdir work/afriqa_sw --collection COLLECTIONS/afriqa \
        --queries swa-test --topline_queries swa-en-test --no-titles

RAW: see configs/public_bitext.py. 2026-11-29, seed 0, AMD EPYC with bfloat16 products, one
core beside other work: 1600 steps in 11 min. R@10 .898, RR@10 .723; topline .942, .810
(results/objectives.json).
"""

from configs import public_bitext as pb
from optical_jax.config import Config


def get_config() -> Config:
    """Return the run."""
    return pb.config(
        "afriqa_sw",
        "afriqa",
        (
            *pb.lafand("swa", ("train", "dev", "test")),
            *pb.bible("SWA/Swahili NT/SF_2009-01-20_SWA_SWA_(SWAHILI NT).zip"),
            *pb.tico19("sw"),
            *pb.flores("swh_Latn"),
            *pb.ntrex("swa"),
            *pb.tatoeba("swh"),
            *pb.freedict_swahili(),
            *pb.questions("swa"),
        ),
        steps=1600,
        vocabulary_size=48_000,
        cache_teacher=False,
    )
