"""Marathi questions over SQuAD paragraphs, distilled from bitext alone.

    python -m optical_jax.train --config configs/xquad_mr.py --data.root RAW \
        --data.exclude COLLECTIONS/xquad --teacher.path TEACHER
    python -m optical_jax.evaluate --workdir work/xquad_mr --collection COLLECTIONS/xquad \
        --queries mr --topline_queries en --no-titles

RAW: see configs/public_bitext.py. 2026-11-29, seed 0, AMD EPYC with bfloat16 products, one
core beside other work: 5200 steps in 31 min. R@10 .836, RR@10 .652; topline .982, .908
(results/objectives.json).
"""

from configs import public_bitext as pb
from configs import xquad_hi
from optical_jax.config import Config
from optical_jax.data.sources import BitextSource


def get_config() -> Config:
    """Return the run."""
    return pb.config(
        "xquad_mr",
        "xquad",
        (
            BitextSource(
                name="tatoeba-mar", format="tsv", source="tatoeba-mar/mar.txt"
            ),
            *pb.bible(
                "MAR/Marathi Indian Revised Version Bible/"
                "SF_2019-10-28_MAR_MAR2017EB_(MARATHI INDIAN REVISED VERSION BIBLE).zip"
            ),
            *pb.tico19("mr"),
            *pb.flores("mar_Deva"),
            *pb.ntrex("mar"),
            *pb.tatoeba("mar"),
            # Konkani and Hindi: many of their words are Marathi's, and all of their names.
            *pb.gatitos("gom"),
            *pb.of_relative("hi", xquad_hi.SOURCES),
        ),
        # An epoch.
        steps=5200,
        synthetic=pb.glossed_english(respelt=1.0),
        cache_teacher=False,
        vocabulary_size=48_000,
        stems=96_000,
    )
