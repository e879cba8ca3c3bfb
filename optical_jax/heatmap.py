"""The transport plan of one sentence pair: solved, and drawn with its tokens as a heat map."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.figure
import numpy as np
from matplotlib import axes

from optical_jax import figures
from optical_jax.data import tokenize
from optical_jax.models.retriever import Retriever
from optical_jax.objectives import transport
from optical_jax.ot import marginals

# Above this share of a token's mass a cell of the plan is labelled.
_LABELLED_SHARE = 0.2
_LARGEST_LABELLED_PLAN = 24


@dataclass(frozen=True, kw_only=True)
class SentencePlan:
    """Hold the transport plan [m n] of a sentence pair and the tokens on its sides."""

    plan: np.ndarray
    student_tokens: Sequence[str]
    teacher_tokens: Sequence[str]
    student_text: str = ""
    teacher_text: str = ""

    def __post_init__(self) -> None:
        """Check that every row and column has its token."""
        sides = (len(self.student_tokens), len(self.teacher_tokens))
        if self.plan.shape != sides:
            raise ValueError(
                f"plan must have a row for each of the {sides[0]} student tokens and a "
                f"column for each of the {sides[1]} teacher tokens, got {self.plan.shape}"
            )


def solve(
    teacher: Retriever,
    student: Retriever,
    *,
    source: str,
    target: str,
    config: transport.TransportConfig,
) -> SentencePlan:
    """Solve the transport of one sentence pair as in training, and name its tokens.

    Args:
        teacher: encodes the source.
        student: encodes the target.
        source: a sentence in the teacher's language.
        target: its translation in the student's language.
        config: cost, epsilon and iterations.
    """
    sides = []
    for retriever, text in ((student, target), (teacher, source)):
        (row,) = retriever.text.queries([text])
        batch = tokenize.pad([row], len(row.ids), pad_id=retriever.text.pad_id)
        encode = jax.jit(retriever.vectors)
        vectors = encode(retriever.params, batch["ids"], batch["mask"])
        sides.append((row, vectors[0]))
    (rows, x), (columns, y) = sides
    a, b = (marginals.uniform(jnp.asarray(row.scored)) for row in (rows, columns))
    solve = jax.jit(
        lambda *pair: transport.pair_plan(*pair, config, epsilon=config.epsilon)[1]
    )
    return SentencePlan(
        plan=np.asarray(solve(x, y, a, b)),
        student_tokens=student.text.tokens(rows.ids),
        teacher_tokens=teacher.text.tokens(columns.ids),
        student_text=target,
        teacher_text=source,
    )


def draw_plan(pair: SentencePlan, path: Path) -> None:
    """Draw a transport plan, each row as shares of its student token's mass."""
    mass = pair.plan.sum(axis=1, keepdims=True)
    shares = np.divide(
        pair.plan, mass, out=np.zeros(pair.plan.shape, float), where=mass > 0
    )
    rows, columns = shares.shape
    with matplotlib.rc_context(figures.STYLE):
        figure = matplotlib.figure.Figure(
            figsize=(2.6 + 0.46 * columns, 1.8 + 0.36 * rows), layout="constrained"
        )
        panel = figure.subplots()
        image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        panel.set_xticks(
            range(columns), pair.teacher_tokens, rotation=45, ha="left", va="bottom"
        )
        panel.set_yticks(range(rows), [token.strip() for token in pair.student_tokens])
        panel.tick_params(
            length=0, top=True, labeltop=True, bottom=False, labelbottom=False
        )
        panel.set_xlabel("teacher's tokens")
        panel.xaxis.set_label_position("top")
        panel.set_ylabel("student's tokens")
        panel.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
        panel.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
        panel.grid(True, which="minor", color="#eeeeee")
        panel.tick_params(which="minor", length=0)
        if max(rows, columns) <= _LARGEST_LABELLED_PLAN:
            _label_cells(panel, shares)
        bar = figure.colorbar(image, ax=panel, shrink=0.8, pad=0.02)
        bar.set_label("share of the student token's mass")
        bar.outline.set_visible(False)
        figures.save(figure, path)


def _label_cells(panel: axes.Axes, shares: np.ndarray) -> None:
    """Write the larger shares into their cells, in per cent."""
    centred = {"ha": "center", "va": "center", "fontsize": 8}
    for i, j in zip(*np.nonzero(shares >= _LABELLED_SHARE), strict=True):
        colour = "white" if shares[i, j] > 0.6 else "black"
        panel.text(j, i, f"{100 * shares[i, j]:.0f}", color=colour, **centred)
