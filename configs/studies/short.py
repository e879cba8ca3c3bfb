"""Every objective without judgments, in 200 steps: what a small machine can afford.

    python -m optical_jax.study --config configs/studies/short.py \
        --collections COLLECTIONS --set data.root=RAW teacher.path=TEACHER

Kinyarwanda, one seed; `start` is the student before its first step (one step of a
vanishing learning rate). RAW and COLLECTIONS: see configs/public_bitext.py.
"""

from configs.studies.objectives import KIN
from optical_jax.objectives import mixture
from optical_jax.studies.grid import Axis, Grid, Study


def get_study() -> Study:
    """Return the comparison behind results/short.json."""
    short = {"steps": 200, "eval_every": 200, "save_every": 200}
    mixes = (*mixture.over_bitext(), "scores", "transport + scores:0.2")
    settings = {mix: {**short, "objective.mix": mix} for mix in mixes}
    start = {"steps": 1, "optimizer.learning_rate": 1e-12, "optimizer.warmup_steps": 0}
    settings["start"] = start
    return Study(
        name="short",
        grids=(Grid(bases=(KIN,), axes=(Axis(settings=settings),)),),
        reference="transport",
    )
