"""Hindi questions over SQuAD paragraphs, distilled from bitext alone.

    python -m optical_jax.train --config configs/xquad_hi.py --data.root RAW \
        --data.exclude COLLECTIONS/xquad --teacher.path TEACHER
    python -m optical_jax.evaluate --workdir work/xquad_hi --collection COLLECTIONS/xquad \
        --queries hi --topline_queries en --no-titles

RAW: see configs/public_bitext.py. 2026-11-29, seed 0, AMD EPYC with bfloat16 products, one
core beside other work, paused at times: 3000 steps in 35 min. R@10 .908, RR@10 .752; topline
.982, .908 (results/objectives.json).
"""

from configs import public_bitext as pb
from optical_jax.config import Config

SOURCES = (
    *pb.bible(
        "HIN/Hindi Indian Revised Version Bible/"
        "SF_2019-10-28_HIN_HIN2017EB_(HINDI INDIAN REVISED VERSION BIBLE).zip"
    ),
    *pb.tico19("hi"),
    *pb.flores("hin_Deva"),
    *pb.ntrex("hin"),
    *pb.tatoeba("hin"),
    *pb.words("hi"),
    *pb.gatitos("hi"),
    # Bhojpuri, Chhattisgarhi, Magahi: Wikipedia's names and much of its words in Hindi's
    # spelling.
    *pb.of_relative("bho", (*pb.nllb_seed("bho_Deva"), *pb.gatitos("bho"))),
    *pb.of_relative("hne", (*pb.nllb_seed("hne_Deva"), *pb.gatitos("hne"))),
    *pb.of_relative("mag", (*pb.nllb_seed("mag_Deva"), *pb.gatitos("mag"))),
)


def get_config() -> Config:
    """Return the run."""
    return pb.config(
        "xquad_hi",
        "xquad",
        SOURCES,
        # An epoch.
        steps=3000,
        synthetic=pb.glossed_english(respelt=1.0),
        cache_teacher=False,
        vocabulary_size=48_000,
        stems=96_000,
    )
