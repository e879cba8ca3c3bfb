import itertools

import numpy as np

from optical_jax.data import phrases, word_spans
from optical_jax.data.sources import Pair


def _linked(source: str, target: str, links: list[tuple[int, int]]) -> phrases.Linked:
    return phrases.Linked(
        Pair(source, target),
        word_spans.spans(source),
        word_spans.spans(target),
        np.array(sorted(links), np.int64).reshape(-1, 2),
    )


def _slow(linked: phrases.Linked, longest: int, longest_target: int) -> set:
    """Koehn's definition in loops, with linked words at all four ends."""
    m, n = len(linked.source), len(linked.target)
    links = [tuple(link) for link in linked.links.tolist()]
    found = set()
    for b, e in itertools.combinations(range(m + 1), 2):
        for tb, te in itertools.combinations(range(n + 1), 2):
            inside = [(i, j) for i, j in links if b <= i < e and tb <= j < te]
            leaving = [(i, j) for i, j in links if (b <= i < e) != (tb <= j < te)]
            rows, columns = {i for i, _ in inside}, {j for _, j in inside}
            tight = {b, e - 1} <= rows and {tb, te - 1} <= columns
            if tight and not leaving and e - b <= longest and te - tb <= longest_target:
                found.add((b, e, tb, te))
    return found


def test_phrases_are_the_consistent_ones(rng: np.random.Generator) -> None:
    for _ in range(150):
        m, n = rng.integers(1, 7, size=2)
        links = [(i, j) for i in range(m) for j in range(n) if rng.random() < 0.25]
        linked = _linked(" ".join("abcdefg"[:m]), " ".join("hijklmn"[:n]), links)
        found = list(linked.phrases(longest=4, longest_target=5))
        assert len(set(found)) == len(found)
        assert {tuple(p) for p in found} == _slow(linked, 4, 5)


def test_phrases_keep_the_spelling_of_the_texts() -> None:
    linked = _linked(
        "the New-York mayor!", "Meya, wa New York", [(1, 2), (2, 3), (3, 0)]
    )
    texts = {
        (linked.source_text(b, e), linked.target_text(tb, te))
        for b, e, tb, te in linked.phrases(longest=2, longest_target=4)
    }
    assert texts == {
        ("New", "New"),
        ("York", "York"),
        ("New-York", "New York"),
        ("mayor", "Meya"),
    }


def test_link_aligns_every_pair() -> None:
    given = [Pair("red house", "nyumba nyekundu"), Pair("!", "?")]
    words = [Pair("red", "nyekundu"), Pair("house", "nyumba")]
    linked = phrases.link([*given, *words * 20])
    assert [x.pair for x in linked[:2]] == given
    assert linked[0].links.tolist() == [[0, 1], [1, 0]]
    assert linked[1].links.shape == (0, 2)
