"""The English teacher of the built-in sample, trained from random weights.

In-batch contrastive training over MaxSim with one hard negative a question: a passage on
another fact of the same town or person. `python -m optical_jax.demo` writes the sample, runs
this and all that follows; then, by hand,

    python -m optical_jax.train --config configs/sample_teacher.py --workdir work/again

Recorded on a 2-core CPU shared with other work, 2026-11-23, seed 0: English test questions
R@10 .910, RR@10 .799 (BM25: .687, .545).
"""

from optical_jax.config import Config, DataConfig, OptimizerConfig, StudentConfig
from optical_jax.data.ranking_sources import RankingSource
from optical_jax.models.head import HeadConfig
from optical_jax.objectives.mixture import ObjectiveConfig

HEAD = HeadConfig(
    query_length=28,
    document_length=52,
    query_marker="[Q] ",
    document_marker="[D] ",
)


def get_config() -> Config:
    """Return the run that makes the demo's teacher."""
    return Config(
        name="sample_teacher",
        workdir="work/sample/teacher_run",
        steps=500,
        student=StudentConfig(path="work/sample/data/untrained", head=HEAD),
        data=DataConfig(
            root="work/sample/data",
            ranking=(
                RankingSource(name="sample", format="jsonl", examples="triples.jsonl"),
            ),
            cache_dir="work/sample/cache",
            batch_size=16,
            # Batches that are not sorted by length have one shape: one program to compile.
            window=1,
            buckets=(28, 52),
        ),
        objective=ObjectiveConfig(mix="contrastive"),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=30),
        log_every=20,
        eval_every=250,
        save_every=500,
    )
