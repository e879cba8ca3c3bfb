"""Every objective without judgments, in few steps: what a small machine can afford.

    python -m optical_jax.study --config configs/studies/short.py \
        --collections COLLECTIONS --set data.root=RAW teacher.path=TEACHER

Kinyarwanda, Igbo and Marathi; `start` is the student before its first step (one step of
a vanishing learning rate). RAW and COLLECTIONS: see configs/public_bitext.py.
"""

import dataclasses

from configs.studies import objectives
from optical_jax.objectives import mixture
from optical_jax.studies.grid import Axis, Base, Grid, Study


def in_steps(base: Base, steps: int) -> Base:
    """Return the base with a run of so many steps, measured and saved at its end."""
    config = dataclasses.replace(
        base.config, steps=steps, eval_every=steps, save_every=steps
    )
    return dataclasses.replace(base, config=config)


KIN, IBO = (in_steps(base, 200) for base in (objectives.KIN, objectives.IBO))
# Its pairs are short and many.
MAR = in_steps(objectives.MAR, 400)


def get_study() -> Study:
    """Return the comparison behind results/short.json."""
    bases = KIN, IBO, MAR
    start = {"steps": 1, "optimizer.learning_rate": 1e-12, "optimizer.warmup_steps": 0}
    settings = {name: {"objective.mix": name} for name in mixture.over_bitext()}
    further = {
        mix: {"objective.mix": mix}
        for mix in ("transport + scores:0.2", "transport + bitext-contrastive:0.1")
    }
    further["transport, no links"] = objectives.NO_LINKS
    return Study(
        name="short",
        grids=(
            Grid(bases=bases, axes=(Axis(settings={**settings, "start": start}),)),
            Grid(bases=bases, axes=(Axis(settings=further),)),
            Grid(bases=bases, axes=(Axis(settings=settings),), seeds=(1, 2)),
        ),
        reference="transport",
        averaged=True,
    )
