"""How well a student's sentences and words lie on those of their translations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rich.box
import rich.table

from optical_jax.data import links, word_links, word_spans
from optical_jax.data.links import GoldLinks, Link, LinkScore
from optical_jax.data.sources import Pair
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import bitext_retrieval, encode, word_alignment
from optical_jax.retrieval.word_alignment import Spans

_ALIGNER = "ibm1 both ways"


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """What was measured.

    Attributes:
        retrieval: {(direction, scores): {measure: value}}, see `bitext_retrieval`.
        words: {method: score} against `judged_by`; none if texts have one vector each.
        judged_by: gold links, or the aligner that stands for them.
        sentences: pairs whose sentences were searched; none twice.
        pairs: pairs whose words were linked.
    """

    retrieval: dict[tuple[str, str], dict[str, float]]
    words: dict[str, LinkScore]
    judged_by: str
    sentences: int
    pairs: int


def measure(
    student: Retriever,
    teacher: Retriever,
    pairs: Sequence[Pair],
    *,
    training: Sequence[Pair] = (),
    gold: Sequence[GoldLinks] | None = None,
    epsilon: float = 0.05,
    threshold: float = 0.3,
) -> Alignment:
    """Measure sentences and words of some pairs.

    Args:
        student: encodes the targets.
        teacher: encodes the sources.
        pairs: what is measured.
        training: further pairs that the statistical aligner learns from.
        gold: links of each pair between words that blanks divide; None: the aligner's.
        epsilon: of the transport.
        threshold: of "transport, share", see `ot.links.above`.

    Raises:
        ValueError: if the gold links are not those of the pairs.
    """
    judged_by = _ALIGNER if gold is None else "gold links"
    words = {}
    if "single-vector" not in (student.head.kind, teacher.head.kind):
        found, gold = _links(
            student, teacher, pairs, training, gold, epsilon, threshold
        )
        words = {name: links.score(each, gold) for name, each in found.items()}
    once = list({p.target: p for p in {p.source: p for p in pairs}.values()}.values())
    return Alignment(
        retrieval=bitext_retrieval.both_ways(
            encode.encode_queries(teacher, [p.source for p in once]),
            encode.encode_queries(student, [p.target for p in once]),
        ),
        words=words,
        judged_by=judged_by,
        sentences=len(once),
        pairs=len(pairs),
    )


def _links(
    student: Retriever,
    teacher: Retriever,
    pairs: Sequence[Pair],
    training: Sequence[Pair],
    gold: Sequence[GoldLinks] | None,
    epsilon: float,
    threshold: float,
) -> tuple[dict[str, list[set[Link]]], Sequence[GoldLinks]]:
    """Return the links by method, and those to judge them by."""
    aligned = _aligner_links(pairs, training, blanks=gold is not None)
    found = word_alignment.word_links(
        student,
        teacher,
        pairs,
        [(_spans(p.source, gold), _spans(p.target, gold)) for p in pairs],
        epsilon=epsilon,
        threshold=threshold,
    )
    if gold is not None:
        return {**found, _ALIGNER: aligned}, gold
    return found, [GoldLinks(frozenset(x), frozenset(x)) for x in aligned]


def _spans(text: str, gold: object) -> Spans:
    """Return where the words are: what blanks divide for gold links, else as aligned."""
    found = _blanks(text) if gold is not None else word_spans.spans(text)
    return np.array([(w.begin, w.end) for w in found], np.int32).reshape(-1, 2)


def _blanks(text: str) -> list[word_spans.Span]:
    found, end = [], 0
    for word in text.split():
        begin = text.index(word, end)
        end = begin + len(word)
        found.append(word_spans.Span(word.casefold(), begin, end))
    return found


def _aligner_links(
    pairs: Sequence[Pair], training: Sequence[Pair], *, blanks: bool
) -> list[set[Link]]:
    cut = _blanks if blanks else word_spans.spans
    words = [
        ([w.word for w in cut(p.source)], [w.word for w in cut(p.target)])
        for p in [*pairs, *training]
    ]
    aligner = word_links.train(words)
    found = aligner.link(words[: len(pairs)])
    return [{(int(i), int(j)) for i, j in each} for each in found]


def tables(found: Alignment) -> list[rich.table.Table]:
    """Return a table of sentences and, where tokens have vectors, one of words."""
    style = {"box": rich.box.SIMPLE_HEAD, "padding": (0, 1, 0, 0)}
    sentences = rich.table.Table(
        title=f"translations found among {found.sentences:,}", **style
    )
    for name in ("direction", "scores"):
        sentences.add_column(name, no_wrap=True)
    for name in ("R@1", "RR"):
        sentences.add_column(name, justify="right")
    for (direction, scores), measures in found.retrieval.items():
        cells = (f"{measures[name]:.3f}" for name in ("R@1", "RR"))
        sentences.add_row(direction, scores, *cells)
    if not found.words:
        return [sentences]
    words = rich.table.Table(
        title=f"word links of {found.pairs:,} pairs, by {found.judged_by}", **style
    )
    words.add_column("linked by", no_wrap=True)
    for name in ("precision", "recall", "alignment error", "links"):
        words.add_column(name, justify="right")
    for name, score in found.words.items():
        numbers = (score.precision, score.recall, score.aer)
        words.add_row(name, *(f"{x:.3f}" for x in numbers), f"{score.found:,}")
    return [sentences, words]
