"""Word links of sentence pairs: files of gold links, and how far found links are off."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from optical_jax.data import textfile

# Positions of a word in the source and of one in the target, counted from 0.
Link = tuple[int, int]

_LINK = re.compile(r"(\d{1,9})([-p?])(\d{1,9})")


class GoldLinks(NamedTuple):
    """Links of one pair that must be found, and those that may be; the latter hold all."""

    sure: frozenset[Link]
    possible: frozenset[Link]


@dataclass(frozen=True, kw_only=True)
class LinkScore:
    """How found links agree with gold links, over all links of all pairs.

    With A found, S sure and P possible links (S is a part of P):
        precision = |A & P| / |A|,  recall = |A & S| / |S|,
        aer = 1 - (|A & S| + |A & P|) / (|A| + |S|)

    References:
        Och, Ney: A Systematic Comparison of Various Statistical Alignment Models,
        Computational Linguistics 29(1), 2003.
    """

    precision: float
    recall: float
    aer: float
    found: int
    sure: int


def read_pharaoh(path: Path) -> list[GoldLinks]:
    """Read a line of links for each pair: "0-0 1-2 3?3", positions counted from 0.

    The first number is the word of the source (the teacher's language), the second that
    of the target; words are what blanks divide. "-" marks a sure link, "?" or "p" one
    that is only possible. An empty line is a pair without links.

    Raises:
        ValueError: naming the line that is malformed.
    """
    gold = []
    for number, line in enumerate(textfile.read_lines(path), start=1):
        sure, possible = set(), set()
        for item in line.split():
            match = _LINK.fullmatch(item)
            if match is None:
                raise ValueError(
                    f"{path}:{number}: a link is i-j (sure) or i?j (possible), words "
                    f"counted from 0, got {item!r}"
                )
            link = int(match[1]), int(match[3])
            possible.add(link)
            if match[2] == "-":
                sure.add(link)
        gold.append(GoldLinks(frozenset(sure), frozenset(possible)))
    return gold


def score(found: Sequence[Iterable[Link]], gold: Sequence[GoldLinks]) -> LinkScore:
    """Compare the links of each pair with its gold links.

    Raises:
        ValueError: if the numbers of pairs differ, or there is no sure link at all.
    """
    if len(found) != len(gold):
        raise ValueError(
            f"links must be those of the same pairs, got {len(found)} and {len(gold)}"
        )
    sure = sum(len(one.sure) for one in gold)
    if not sure:
        raise ValueError(
            f"gold links must hold a sure link (i-j), got none in {len(gold)} pairs"
        )
    sets = [frozenset(links) for links in found]
    in_sure = sum(len(a & g.sure) for a, g in zip(sets, gold, strict=True))
    in_possible = sum(len(a & g.possible) for a, g in zip(sets, gold, strict=True))
    total = sum(map(len, sets))
    return LinkScore(
        precision=in_possible / total if total else 0.0,
        recall=in_sure / sure,
        aer=1 - (in_sure + in_possible) / (total + sure),
        found=total,
        sure=sure,
    )
