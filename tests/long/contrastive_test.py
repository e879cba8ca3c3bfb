"""A teacher trained on triples of queries and passages."""

import dataclasses
import json

from optical_jax import config as config_lib
from optical_jax import train
from optical_jax.config import DataConfig, MeshConfig, OptimizerConfig, StudentConfig
from optical_jax.data.ranking_sources import RankingSource
from optical_jax.models import folder
from optical_jax.objectives.mixture import ObjectiveConfig
from optical_jax.training import workdir
from tests.models import tiny
from tests.training import tiny_run


def test_a_contrastive_teacher_learns_its_triples(tmp_path):
    folder.save(tiny.make(tiny.COLBERT), tmp_path / "encoder")
    words = ["habari", "dunia", "book", "the", "who", "word", "kitabu", "nani"]
    with (tmp_path / "triples.jsonl").open("w") as lines:
        for i in range(64):
            word = words[i % 8]
            others = [w for w in words if w != word]
            row = {
                "query": f"{word} {i}",
                "positive": f"{word} {word} {i % 5} x{i}",
                "negatives": [others[i % 7], others[(i + 1) % 7]],
            }
            lines.write(json.dumps(row) + "\n")
    config = config_lib.Config(
        name="teacher",
        workdir=str(tmp_path / "run"),
        steps=10,
        student=StudentConfig(path=str(tmp_path / "encoder")),
        data=DataConfig(
            root=str(tmp_path),
            ranking=(
                RankingSource(name="toy", format="jsonl", examples="triples.jsonl"),
            ),
            cache_dir=str(tmp_path / "cache"),
            batch_size=16,
            window=2,
            buckets=(24,),
            validation_fraction=0.1,
        ),
        objective=ObjectiveConfig(mix="contrastive"),
        optimizer=OptimizerConfig(learning_rate=5e-3, warmup_steps=2),
        mesh=MeshConfig(data=4, fsdp=2),
        log_every=1,
        eval_every=10,
        save_every=10,
    )
    train.run(config)
    losses = tiny_run.losses(config.workdir)
    assert losses[10] < 0.8 * losses[1]
    assert workdir.load_student(config.workdir).head == dataclasses.replace(
        tiny.COLBERT, skiplist=tiny.COLBERT.skiplist[:-1]
    )
