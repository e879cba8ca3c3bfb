"""Filipino headlines over English news, distilled from bitext alone.

    python -m optical_jax.train --config configs/headlines_fil.py --data.root RAW \
        --data.exclude COLLECTIONS/ntrex-headlines --teacher.path TEACHER
    python -m optical_jax.evaluate --workdir work/headlines_fil \
        --collection COLLECTIONS/ntrex-headlines --queries fil --topline_queries en --no-titles

RAW: see configs/public_bitext.py. 2026-11-29, seed 0, AMD EPYC with bfloat16 products, one
core beside other work: 200 steps in 5 min. R@10 .959, RR@10 .887; topline .967, .890
(results/objectives.json).
"""

from configs import public_bitext as pb
from optical_jax.config import Config
from optical_jax.data.sources import BitextSource


def get_config() -> Config:
    """Return the run."""
    return pb.config(
        "headlines_fil",
        "ntrex-headlines",
        (
            pb.moses("alt", "alt-fil-en/English.txt", "alt-fil-en/Tagalog.txt"),
            BitextSource(
                name="tatoeba-tgl", format="tsv", source="tatoeba-tgl/tgl.txt"
            ),
            *pb.bible(
                "TGL/Ang Dating Biblia/SF_2009-01-20_TGL_TLGANGBIBLIA_(ANG DATING BIBLIA).zip"
            ),
            *pb.tico19("tl"),
            *pb.flores("tgl_Latn"),
            *pb.words("tl"),
        ),
        steps=200,
        cache_teacher=False,
    )
