"""Russian questions over SQuAD paragraphs, distilled from bitext alone.

    python -m optical_jax.train --config configs/xquad_ru.py --data.root RAW \
        --data.exclude COLLECTIONS/xquad --teacher.path TEACHER
    python -m optical_jax.evaluate --workdir work/xquad_ru --collection COLLECTIONS/xquad \
        --queries ru --topline_queries en --no-titles

RAW: see configs/public_bitext.py. Recipes for the other languages of XQuAD are tried here
(configs/studies/recipes.py). 2026-11-29, seed 0, AMD EPYC with bfloat16 products, one core:
R@10 .871, RR@10 .670; topline .982, .908 (results/recipes.json).
"""

from configs import public_bitext as pb
from optical_jax.config import Config


def get_config() -> Config:
    """Return the run."""
    return pb.config(
        "xquad_ru",
        "xquad",
        (
            *pb.bible(
                "RUS/Russian Synodal Translation/"
                "SF_2009-01-20_RUS_RST_(RUSSIAN SYNODAL TRANSLATION).zip"
            ),
            *pb.tico19("ru"),
            *pb.flores("rus_Cyrl"),
            *pb.ntrex("rus"),
            *pb.tatoeba("rus"),
            *pb.words("ru"),
        ),
        steps=800,
        synthetic=pb.glossed_english(respelt=1.0),
        cache_teacher=False,
        vocabulary_size=48_000,
        stems=96_000,
    )
