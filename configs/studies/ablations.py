"""What the transport objective owes to its settings, and to the bitext's size and domain.

In few steps, which a small machine can afford: as many as in configs/studies/short.py.

    python -m optical_jax.study --config configs/studies/ablations.py \
        --collections COLLECTIONS --set data.root=RAW teacher.path=TEACHER

Kinyarwanda and Marathi; the bitext's size and domain in Swahili. What equals the default runs
once.
"""

import dataclasses
from typing import Any

from configs.studies.objectives import NO_LINKS, SWA
from configs.studies.short import KIN, MAR, in_steps
from optical_jax.studies.grid import Axis, Base, Grid, Study, numeric

_TRANSPORT = "objective.transport"
_VOCABULARY = "student.vocabulary"
_NO_STEMS = {f"{_VOCABULARY}.stems": 0, "data.split_words": 0.0}
_PIECES_ANYWHERE = {
    f"{_VOCABULARY}.whole_words": False,
    f"{_VOCABULARY}.word_forms": 0,
    **_NO_STEMS,
}

SETTINGS = Axis(
    settings={
        "default": {},
        "no links": NO_LINKS,
        "masses: tokens": {f"{_TRANSPORT}.marginals": "tokens"},
        "costs: no links": {f"{_TRANSPORT}.link_weight": 0.0},
        "masses: idf": {f"{_TRANSPORT}.marginals": "idf"},
        "masses: norm": {f"{_TRANSPORT}.marginals": "norm"},
        "masses: attention": {f"{_TRANSPORT}.marginals": "attention"},
        "masses: [MASK] slots": {
            f"{_TRANSPORT}.marginals": "slots",
            "teacher.head.expansion": True,
            "teacher.head.query_length": 32,
        },
        "unbalanced student": {f"{_TRANSPORT}.tau_a": 0.9},
        "unbalanced teacher": {f"{_TRANSPORT}.tau_b": 0.9},
        "ipot": {f"{_TRANSPORT}.solver": "ipot"},
        "annealed": {f"{_TRANSPORT}.anneal_from": 0.5},
        "with sentence term": {f"{_TRANSPORT}.sentence_weight": 0.5},
        "with source term": {f"{_TRANSPORT}.source_weight": 0.5},
        # In place of the glossed texts that Marathi's preset has.
        "with made phrases": {
            "data.synthetic": [{"name": "made", "kind": "phrases", "asked": 0.5}],
        },
        "with made questions": {
            "data.synthetic": [{"name": "made", "kind": "questions"}],
        },
        "with glossed sentences": {
            "data.synthetic": [{"name": "made", "kind": "code-switch"}],
        },
        "layers: all": {"student.freeze": [], "optimizer.learning_rate": 1e-4},
        "layers: first two": {"student.freeze": ["encoder/layers/[2-9]"]},
        "layers: none": {"student.freeze": ["encoder/layers/"]},
        "vocabulary: by spelling": {f"{_VOCABULARY}.initialization": "spelling"},
        "vocabulary: random": {f"{_VOCABULARY}.initialization": "random"},
        "vocabulary: no stems": _NO_STEMS,
        "vocabulary: no word forms": {f"{_VOCABULARY}.word_forms": 0},
        "vocabulary: pieces anywhere": _PIECES_ANYWHERE,
        "vocabulary: with parts": {
            f"{_VOCABULARY}.size": 150_000,
            f"{_VOCABULARY}.word_parts": 32_000,
            f"{_VOCABULARY}.word_forms": 0,
            f"{_VOCABULARY}.stems": 0,
            "data.split_words": 0.1,
        },
        "vocabulary: no spelled names": {f"{_VOCABULARY}.spelled_names": 0},
        "vocabulary: with spelled parts": {
            f"{_VOCABULARY}.spelled_names": 96_000,
            f"{_VOCABULARY}.spelled_parts": 24_000,
        },
        "vocabulary: replaced": {
            f"{_VOCABULARY}.mode": "replace",
            **_PIECES_ANYWHERE,
        },
        "vocabulary: kept": {
            f"{_VOCABULARY}.mode": "keep",
            **_PIECES_ANYWHERE,
        },
    }
)


# Pairs of each domain; the smallest has few more.
_DOMAIN_PAIRS = 2000


def _domain(base: Base, *names: str) -> dict[str, Any]:
    """Return the settings of a bitext of the sources alone that begin with the names."""
    sources = [s for s in base.config.data.sources if s.name.startswith(names)]
    return {
        "data.sources": list(map(dataclasses.asdict, sources)),
        "data.pairs": _DOMAIN_PAIRS,
    }


def get_study() -> Study:
    """Return the ablations."""
    swa = in_steps(SWA, 400)
    epsilon = numeric(
        "epsilon", f"{_TRANSPORT}.epsilon", 0.01, 0.02, 0.05, 0.1, 0.2, 0.5
    )
    pairs = numeric("pairs", "data.pairs", 1000, 2000, 5000, 10_000, 20_000, fit=True)
    domains = Axis(
        name="domain",
        settings={
            "news": _domain(swa, "lafand", "ntrex"),
            "Bible": _domain(swa, "bible"),
            "health": _domain(swa, "tico19"),
            "Wikipedia and questions": _domain(swa, "flores", "questions"),
            "all": {"data.pairs": _DOMAIN_PAIRS},
        },
    )
    return Study(
        name="ablations",
        grids=(
            Grid(bases=(KIN, MAR), axes=(SETTINGS,)),
            Grid(bases=(KIN, MAR), axes=(epsilon,)),
            Grid(bases=(swa,), axes=(pairs,)),
            Grid(bases=(swa,), axes=(domains,)),
            Grid(bases=(swa,), axes=(Axis(settings={"default": {}}),)),
        ),
        reference="default",
    )
