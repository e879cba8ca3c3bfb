"""Yoruba questions over English Wikipedia passages, distilled from bitext alone.

    python -m optical_jax.train --config configs/afriqa_yo.py --data.root RAW \
        --data.exclude COLLECTIONS/afriqa --teacher.path TEACHER
    python -m optical_jax.evaluate --workdir work/afriqa_yo --collection COLLECTIONS/afriqa \
        --queries yor-test --topline_queries yor-en-test --no-titles

RAW: see configs/public_bitext.py. 2026-11-29, seed 0, AMD EPYC with bfloat16 products, one
core beside other work: 800 steps in 8 min. R@10 .870, RR@10 .652; topline .968, .753
(results/objectives.json).
"""

from configs import public_bitext as pb
from optical_jax.config import Config
from optical_jax.data.sources import BitextSource


def get_config() -> Config:
    """Return the run."""
    return pb.config(
        "afriqa_yo",
        "afriqa",
        (
            *(
                BitextSource(
                    name=f"menyo-{s}",
                    format="tsv",
                    source=f"menyo-20k/data/{s}.tsv",
                    header=True,
                    quoted=True,
                )
                for s in ("train", "dev", "test")
            ),
            *pb.lafand("yor", ("train", "dev", "test")),
            *pb.flores("yor_Latn"),
            *pb.ntrex("yor"),
            *pb.questions("yor"),
        ),
        exclude_but=("yor-train",),
        steps=800,
        cache_teacher=False,
        vocabulary_size=48_000,
        word_forms=32_000,
    )
