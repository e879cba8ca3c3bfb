"""Every objective that needs bitext alone, beside the baselines of the same bitext.

    python -m optical_jax.study --config configs/studies/objectives.py \
        --collections COLLECTIONS --set data.root=RAW teacher.path=TEACHER

Same student, bitext and steps for all: those of the presets, whose transport goes along a
word aligner's links; "transport, no links" is the paper's. In this order: these two in every
language, one seed; two more seeds, whose students and the first are measured as one, too;
every objective in three languages, three seeds; every objective in the others.
RAW and COLLECTIONS: see configs/public_bitext.py. --dry_run prints what it costs.
"""

from configs import (
    afriqa_ha,
    afriqa_ig,
    afriqa_rw,
    afriqa_sw,
    afriqa_yo,
    headlines_fil,
    headlines_so,
    xquad_de,
    xquad_hi,
    xquad_mr,
)
from optical_jax.config import Config
from optical_jax.objectives import mixture
from optical_jax.studies.grid import Axis, Base, Grid, Study

# Student and ibm1+bm25 where there is no development set: what the development sets of
# Hausa and Igbo choose (Kinyarwanda: .65).
WEIGHTS = (0.8, 0.2)


def afriqa(config: Config, code: str, *, tune: bool) -> Base:
    """Return questions of AfriQA over English passages without their titles."""
    return Base(
        name=code,
        config=config,
        collection="afriqa",
        queries=(f"{code}-test",),
        topline_queries=(f"{code}-en-test",),
        tune_queries=(f"{code}-dev",) if tune else (),
        fusion_weights=() if tune else WEIGHTS,
        titles=False,
    )


def parallel(config: Config, code: str, collection: str) -> Base:
    """Return a collection whose query sets are parallel, English among them."""
    return Base(
        name=code,
        config=config,
        collection=collection,
        queries=(code,),
        topline_queries=("en",),
        fusion_weights=WEIGHTS,
        titles=False,
    )


SWA = afriqa(afriqa_sw.get_config(), "swa", tune=False)
HAU = afriqa(afriqa_ha.get_config(), "hau", tune=True)
IBO = afriqa(afriqa_ig.get_config(), "ibo", tune=True)
YOR = afriqa(afriqa_yo.get_config(), "yor", tune=False)
KIN = afriqa(afriqa_rw.get_config(), "kin", tune=True)
MAR = parallel(xquad_mr.get_config(), "mr", "xquad")
HIN = parallel(xquad_hi.get_config(), "hi", "xquad")
DEU = parallel(xquad_de.get_config(), "de", "xquad")
SOM = parallel(headlines_so.get_config(), "som", "ntrex-headlines")
FIL = parallel(headlines_fil.get_config(), "fil", "ntrex-headlines")


# Transport as in the paper: a word aligner's links change neither masses nor costs.
NO_LINKS = {
    "objective.mix": "transport",
    "objective.transport.marginals": "tokens",
    "objective.transport.link_weight": 0.0,
}


def get_study() -> Study:
    """Return the comparison behind results/objectives.json."""
    settings = {name: {"objective.mix": name} for name in mixture.over_bitext()}
    transport = Axis(settings={"transport": settings["transport"]})
    paper = Axis(settings={"transport, no links": NO_LINKS})
    every = Axis(settings={**settings, **paper.settings})
    first = (SWA, HAU, IBO, YOR, KIN, MAR, HIN, DEU)
    return Study(
        name="objectives",
        grids=(
            Grid(bases=first, axes=(transport,)),
            Grid(bases=first, axes=(paper,)),
            Grid(bases=(SOM, FIL), axes=(transport,)),
            Grid(bases=first, axes=(transport,), seeds=(1, 2)),
            Grid(bases=(KIN, IBO, MAR), axes=(every,), seeds=(0, 1, 2)),
            Grid(bases=first, axes=(every,)),
        ),
        reference="transport",
        measures=("R@10", "RR@10"),
        averaged=True,
    )
