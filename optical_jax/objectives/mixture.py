"""What is minimised: one objective, or several that add up with weights.

The table of objectives stands here: a field of `ObjectiveConfig` with the objective's
settings, and a line in `LOSSES`.
"""

import dataclasses
import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxtyping import Array, Float

from optical_jax.objectives import (
    bitext_contrastive,
    contrastive,
    greedy,
    max_align,
    position,
    ranking_scores,
    scores,
    sentence_cosine,
    sentence_mse,
    tokens,
    transport,
    word_links,
)
from optical_jax.objectives.bitext_contrastive import BitextContrastiveConfig
from optical_jax.objectives.contrastive import ContrastiveConfig
from optical_jax.objectives.greedy import GreedyConfig
from optical_jax.objectives.max_align import MaxAlignConfig
from optical_jax.objectives.position import PositionConfig
from optical_jax.objectives.ranking_scores import RankingScoresConfig
from optical_jax.objectives.scores import ScoresConfig
from optical_jax.objectives.sentence_cosine import SentenceCosineConfig
from optical_jax.objectives.sentence_mse import SentenceMseConfig
from optical_jax.objectives.tokens import Encode
from optical_jax.objectives.transport import TransportConfig
from optical_jax.objectives.word_links import WordLinksConfig

Metrics = dict[str, Float[Array, ""]]

LOSSES: dict[str, Callable[..., tuple[Float[Array, ""], Metrics]]] = {
    "transport": transport.loss,
    "greedy": greedy.loss,
    "max-align": max_align.loss,
    "position": position.loss,
    "word-links": word_links.loss,
    "sentence-mse": sentence_mse.loss,
    "sentence-cosine": sentence_cosine.loss,
    "bitext-contrastive": bitext_contrastive.loss,
    "contrastive": contrastive.loss,
    "scores": scores.loss,
    "ranking-scores": ranking_scores.loss,
}
# Those that match token with token: they need a teacher with a vector a token.
ALIGNING = frozenset({"transport", "greedy", "max-align", "position", "word-links"})


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """The objectives of a run, and the settings of each."""

    # Names with weights, added up: "transport", "transport:1.0 + contrastive:0.2".
    mix: str = "transport"
    # Of each objective, used where the mix names it.
    transport: TransportConfig = TransportConfig()
    greedy: GreedyConfig = GreedyConfig()
    max_align: MaxAlignConfig = MaxAlignConfig()
    position: PositionConfig = PositionConfig()
    word_links: WordLinksConfig = WordLinksConfig()
    sentence_mse: SentenceMseConfig = SentenceMseConfig()
    sentence_cosine: SentenceCosineConfig = SentenceCosineConfig()
    bitext_contrastive: BitextContrastiveConfig = BitextContrastiveConfig()
    contrastive: ContrastiveConfig = ContrastiveConfig()
    scores: ScoresConfig = ScoresConfig()
    ranking_scores: RankingScoresConfig = RankingScoresConfig()

    def __post_init__(self) -> None:
        """Check names and weights, and that the objectives fit together."""
        self.kinds()

    def parts(self) -> dict[str, float]:
        """Return the weight of each objective of the mix.

        Raises:
            ValueError: naming what is no objective, or no positive weight.
        """
        weights: dict[str, float] = {}
        for part in self.mix.split("+"):
            name, _, weight = (piece.strip() for piece in part.partition(":"))
            if name not in LOSSES:
                near = difflib.get_close_matches(name, LOSSES, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"objective.mix must add up names of {sorted(LOSSES)}, got "
                    f"{name!r}{hint}"
                )
            if name in weights:
                raise ValueError(f"objective.mix must name {name!r} once: {self.mix!r}")
            if weight and not re.fullmatch(r"\d+\.?\d*(e-?\d+)?|\.\d+", weight):
                raise ValueError(
                    f"objective.mix: the weight of {name!r} must be a positive number, "
                    f"got {weight!r}"
                )
            weights[name] = float(weight or 1)
            if not weights[name] > 0:
                raise ValueError(
                    f"objective.mix: the weight of {name!r} must be > 0, got {weight}"
                )
        return weights

    def settings(self, name: str) -> Any:  # noqa: ANN401
        """Return the settings of an objective by its name in the mix."""
        return getattr(self, name.replace("-", "_"))

    def used(self) -> dict[str, Any]:
        """Return the mix and the settings of its objectives, for records of the run."""
        settings = {n: dataclasses.asdict(self.settings(n)) for n in self.parts()}
        return {"mix": self.mix, **settings}

    def kinds(self) -> dict[tuple[str, str], str]:
        """Return {(who, field): kind} of every text that an objective of the mix uses.

        Raises:
            ValueError: if two objectives use a text as different kinds.
        """
        found: dict[tuple[str, str], str] = {}
        for name in self.parts():
            for use in self.settings(name).uses:
                key = (use.who, use.field)
                if found.setdefault(key, use.kind) != use.kind:
                    raise ValueError(
                        f"objective.mix {self.mix!r}: {name} needs the {use.who}'s "
                        f"{use.field} as {use.kind}, another objective as {found[key]}; "
                        "train with one of them"
                    )
        return found

    def extras(self) -> dict[str, frozenset[str]]:
        """Return {"who/field": extras} of the texts that an objective needs some beside."""
        found: dict[str, frozenset[str]] = {}
        for name in self.parts():
            for use in self.settings(name).uses:
                key = f"{use.who}/{use.field}"
                found[key] = found.get(key, frozenset()) | frozenset(use.extras)
        return {key: extras for key, extras in found.items() if extras}

    def weighed(self) -> frozenset[str]:
        """Return "who/field" of the texts whose norms or attention an objective needs."""
        found = self.extras().items()
        return frozenset(key for key, extras in found if extras & tokens.WEIGHED)

    def uses(self, *, who: str | None = None, fields: tuple[str, ...] = ()) -> bool:
        """Tell whether the mix lets someone encode one of some fields."""
        return any(
            (who is None or w == who) and (not fields or f in fields)
            for w, f in self.kinds()
        )


def over_bitext() -> tuple[str, ...]:
    """Return the names of the objectives that need sentence pairs alone, as listed."""
    fields = {
        name: {f for _, f in ObjectiveConfig(mix=name).kinds()} for name in LOSSES
    }
    return tuple(name for name in LOSSES if fields[name] <= set(tokens.BITEXT_FIELDS))


def loss(encode: Encode, config: ObjectiveConfig) -> tuple[Float[Array, ""], Metrics]:
    """Add up the objectives of a mix; metrics of several are named "objective/metric".

    Args:
        encode: gives the batch at hand; what one objective had encoded, the next gets too.
        config: see ObjectiveConfig.
    """
    parts = config.parts()
    total, metrics = None, {}
    for name, weight in parts.items():
        value, found = LOSSES[name](encode, config.settings(name))
        total = weight * value if total is None else total + weight * value
        if len(parts) == 1:
            return total, found
        metrics |= {f"{name}/{k}": v for k, v in {"loss": value, **found}.items()}
    return total, metrics
