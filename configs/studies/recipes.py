"""What might better every preset, tried where no figure of the comparison is measured.

    python -m optical_jax.study --config configs/studies/recipes.py \
        --collections COLLECTIONS --set data.root=RAW teacher.path=TEACHER

Russian stands for the languages of XQuAD, whose questions are translations of the same ones,
Kinyarwanda's development questions for those of AfriQA: English texts whose words are replaced
by translations, layers that learn, scores, bitext of related languages. Hindi and German have
glossed questions measured beside bitext alone; glossed English sides are in their presets.
"""

import dataclasses
from typing import Any

from configs import afriqa_sw, xquad_ru
from configs import public_bitext as pb
from configs.studies import ablations
from configs.studies.objectives import DEU, HIN, KIN, NO_LINKS, WEIGHTS, parallel
from optical_jax.data.sources import BitextSource
from optical_jax.studies import overrides
from optical_jax.studies.grid import Axis, Base, Grid, Study

# 11,877 questions about articles that XQuAD has not, without their answers.
QUESTIONS = "nqg-squad-split/processed/tgt-test.txt"


def _glossed(name: str, **fields: float) -> dict[str, Any]:
    """Return the settings of questions whose words are replaced by translations."""
    texts = {"name": name, "kind": "code-switch", "texts": {"path": QUESTIONS}}
    return {"data.synthetic": [texts | fields]}


# Twice each, by other translations, and twice as often drawn.
_TWICE = {"per_text": 2, "weight": 2.0}
_ABLATIONS = ("with made phrases", "layers: first two", "layers: all")
_LUGANDA = (
    *pb.lafand("lug", ("train", "dev", "test")),
    *pb.flores("lug_Latn"),
    *pb.tico19("lg"),
    *pb.gatitos("lg"),
)
_SWAHILI = afriqa_sw.get_config().data.sources


def _plain(base: Base) -> Base:
    """Return a base whose bitext is all that it trains on."""
    config = overrides.apply(base.config, {"data.synthetic": []})
    return dataclasses.replace(base, config=config)


RUS, *WINNERS = map(_plain, (parallel(xquad_ru.get_config(), "ru", "xquad"), HIN, DEU))
KIN_DEV = dataclasses.replace(
    KIN,
    queries=KIN.tune_queries,
    topline_queries=(),
    tune_queries=(),
    fusion_weights=WEIGHTS,
)


def _sides(*, respelt: float) -> dict[str, Any]:
    """Return the settings of English sides of other languages' bitext, glossed."""
    sources = pb.glossed_english(respelt=respelt)
    return {"data.synthetic": list(map(dataclasses.asdict, sources))}


def _with(*relatives: tuple[BitextSource, ...]) -> dict[str, Any]:
    """Return the settings of Kinyarwanda's bitext and that of related languages."""
    own = KIN_DEV.config.data.sources
    sources = [s for group in (own, *relatives) for s in group]
    return {"data.sources": list(map(dataclasses.asdict, sources))}


def get_study() -> Study:
    """Return the study behind results/recipes.json."""
    luganda = pb.of_relative("lug", _LUGANDA)
    few_luganda = pb.of_relative("lug", _LUGANDA, weight=0.3)
    swahili = pb.of_relative("swa", _SWAHILI, weight=0.1)
    recipes = {
        "transport": {},
        "with glossed questions": _glossed("glossed"),
        "with glossed questions, twice": _glossed("glossed", **_TWICE),
        "the same, names respelt": _glossed("respelt", respelt=1.0, **_TWICE),
        "with English sides of other bitext, glossed": _sides(respelt=1.0),
        "transport + scores:0.2": {"objective.mix": "transport + scores:0.2"},
        "layers: all, as fast": {"student.freeze": []},
        **{name: ablations.SETTINGS.settings[name] for name in _ABLATIONS},
        "transport, no links": NO_LINKS,
    }
    relatives = {
        "transport": {},
        "with Swahili's questions": _with(pb.of_relative("swa", pb.questions("swa"))),
        "with Luganda": _with(luganda),
        "with Swahili": _with(swahili),
        "with Luganda and Swahili": _with(few_luganda, swahili),
    }
    winner = {name: recipes[name] for name in ("transport", "with glossed questions")}
    return Study(
        name="recipes",
        grids=(
            Grid(bases=(RUS,), axes=(Axis(settings=recipes),)),
            Grid(bases=(KIN_DEV,), axes=(Axis(settings=relatives),)),
            Grid(bases=tuple(WINNERS), axes=(Axis(settings=winner),)),
        ),
        reference="transport",
        measures=("R@10", "RR@10"),
    )
