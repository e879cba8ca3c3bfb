"""German questions over SQuAD paragraphs, distilled from bitext alone.

    python -m optical_jax.train --config configs/xquad_de.py --data.root RAW \
        --data.exclude COLLECTIONS/xquad --teacher.path TEACHER
    python -m optical_jax.evaluate --workdir work/xquad_de --collection COLLECTIONS/xquad \
        --queries de --topline_queries en --no-titles

RAW: see configs/public_bitext.py. 2026-11-29, seed 0, AMD EPYC with bfloat16 products, one
core beside other work: 2700 steps in 15 min. R@10 .918, RR@10 .755; topline .982, .908
(results/objectives.json).
"""

from configs import public_bitext as pb
from optical_jax.config import Config


def get_config() -> Config:
    """Return the run."""
    return pb.config(
        "xquad_de",
        "xquad",
        (
            *pb.bible(
                "GER/Lutherbibel/Luther 1912/SF_2009-01-20_GER_LUTH1912_(LUTHER 1912).zip"
            ),
            *pb.flores("deu_Latn"),
            *pb.ntrex("deu"),
            *pb.tatoeba("deu"),
            *pb.words("de"),
        ),
        # An epoch.
        steps=2700,
        synthetic=pb.glossed_english(respelt=0.0),
        cache_teacher=False,
        vocabulary_size=24_000,
        # Compounds that the bitext lacks split into parts that it has.
        whole_words=False,
    )
