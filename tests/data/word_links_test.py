import numpy as np
import pytest

from optical_jax.data import alignment, word_links
from tests.data import bilingual


def _words(count: int) -> list[tuple[list[str], list[str]]]:
    tokenize = alignment.word_tokenize
    return [(tokenize(s), tokenize(t)) for s, t in bilingual.pairs(count)]


def test_links_are_the_dictionarys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "ENTRIES_PER_CHUNK", 2000)
    pairs = _words(400)
    links = word_links.link(pairs)
    known = bilingual.WORDS | {n.lower(): n.lower() for n in bilingual.NAMES}
    expected = found = right = 0
    for (source, target), linked in zip(pairs, links, strict=True):
        true = {(source.index(w), target.index(known[w])) for w in source if w in known}
        given = {(i, j) for i, j in linked.tolist() if source[i] in known}
        expected, found = expected + len(true), found + len(given)
        right += len(true & given)
    assert right >= 0.98 * expected
    assert right >= 0.98 * found


def test_words_without_translation_stay_unlinked() -> None:
    pairs = _words(400)
    unlinked = [
        not {i for i, _ in linked.tolist()}
        & {k for k, w in enumerate(source) if w == "the"}
        for (source, _), linked in zip(pairs, word_links.link(pairs), strict=True)
    ]
    assert np.mean(unlinked) > 0.9


def test_both_directions_have_a_say() -> None:
    """The links of the swapped bitext are the swapped links."""
    pairs = _words(60)
    swapped = word_links.link([(t, s) for s, t in pairs])
    for there, back in zip(word_links.link(pairs), swapped, strict=True):
        assert {tuple(x) for x in there.tolist()} == {(j, i) for i, j in back.tolist()}


def test_a_higher_threshold_keeps_fewer_links() -> None:
    pairs = _words(60)
    some, all_ = (word_links.link(pairs, threshold=t) for t in (0.9, 0.05))
    for few, many in zip(some, all_, strict=True):
        assert {tuple(x) for x in few.tolist()} <= {tuple(x) for x in many.tolist()}
    assert sum(map(len, some)) < sum(map(len, all_))


def test_pairs_with_an_empty_side_have_no_links() -> None:
    links = word_links.link([(["a"], []), (["a"], ["b"]), ([], ["b"])])
    assert [x.tolist() for x in links] == [[], [[0, 0]], []]
    with pytest.raises(ValueError, match="words on both sides, got 0"):
        word_links.link([(["a"], [])])
    with pytest.raises(ValueError, match=r"threshold must be above 0.*got 0"):
        word_links.link([(["a"], ["b"])], threshold=0.0)


def test_a_trained_aligner_links_other_pairs_and_knows_what_it_never_saw() -> None:
    pairs = _words(400)
    aligner = word_links.train(pairs)
    source, target = pairs[0]
    strange = ([*source, "unheard"], ["unseen", *target])
    plain, found = aligner.link([pairs[0], strange])
    assert {(i, j + 1) for i, j in plain.tolist()} >= {tuple(x) for x in found.tolist()}
    assert len(found) >= len(plain) - 1
    assert len(source) not in found[:, 0]
    assert 0 not in found[:, 1]
