"""Every objective without judgments, in few steps: what a small machine can afford.

    python -m optical_jax.study --config configs/studies/short.py \
        --collections COLLECTIONS --set data.root=RAW teacher.path=TEACHER

Kinyarwanda, Igbo and Marathi; `start` is the student before its first step (one step of
a vanishing learning rate). RAW and COLLECTIONS: see configs/public_bitext.py.
"""

import dataclasses

from configs.studies.objectives import IBO, KIN, MAR
from optical_jax.objectives import mixture
from optical_jax.studies.grid import Axis, Base, Grid, Study


def _of(base: Base, steps: int) -> Base:
    config = dataclasses.replace(
        base.config, steps=steps, eval_every=steps, save_every=steps
    )
    return dataclasses.replace(base, config=config)


def get_study() -> Study:
    """Return the comparison behind results/short.json."""
    # Marathi's pairs are short and many.
    bases = _of(KIN, 200), _of(IBO, 200), _of(MAR, 400)
    start = {"steps": 1, "optimizer.learning_rate": 1e-12, "optimizer.warmup_steps": 0}
    settings = {name: {"objective.mix": name} for name in mixture.over_bitext()}
    mixes = {
        mix: {"objective.mix": mix}
        for mix in ("transport + scores:0.2", "transport + bitext-contrastive:0.1")
    }
    return Study(
        name="short",
        grids=(
            Grid(bases=bases, axes=(Axis(settings={**settings, "start": start}),)),
            Grid(bases=bases, axes=(Axis(settings=mixes),)),
            Grid(bases=bases, axes=(Axis(settings=settings),), seeds=(1, 2)),
        ),
        reference="transport",
        averaged=True,
    )
