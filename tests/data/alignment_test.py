import numpy as np
import pytest

from optical_jax.data import alignment

DICTIONARY = {f"en{i}": f"xx{i}" for i in range(40)}


def sentences(
    rng: np.random.Generator, *, count: int, shuffle: bool
) -> list[tuple[list[str], list[str]]]:
    pairs = []
    for _ in range(count):
        source = list(rng.choice(list(DICTIONARY), size=rng.integers(1, 8)))
        target = [DICTIONARY[word] for word in source]
        if shuffle:
            rng.shuffle(target)
        # A particle stands in every sentence and translates nothing.
        pairs.append((source, ["ni", *target]))
    return pairs


def slow_ibm1(
    pairs: list[tuple[list[str], list[str]]], iterations: int
) -> dict[tuple[str | None, str], float]:
    """Brown et al.'s model 1 in loops."""
    words = {word for source, _ in pairs for word in source}
    table: dict[tuple[str | None, str], float] = {}
    for _ in range(iterations):
        counts: dict[tuple[str | None, str], float] = {}
        for source, target in pairs:
            for s in source:
                terms = [None, *target]
                links = [table.get((t, s), 1 / len(words)) for t in terms]
                for t, link in zip(terms, links, strict=True):
                    counts[t, s] = counts.get((t, s), 0.0) + link / sum(links)
        totals: dict[str | None, float] = {}
        for (t, _), count in counts.items():
            totals[t] = totals.get(t, 0.0) + count
        table = {(t, s): count / totals[t] for (t, s), count in counts.items()}
    return table


def test_equals_plain_loops(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = sentences(rng, count=60, shuffle=True)
    expected = slow_ibm1(pairs, 3)
    monkeypatch.setattr(alignment, "ENTRIES_PER_CHUNK", 100)
    lexicon = alignment.ibm1(pairs, iterations=3, min_probability=0.0)
    dense = lexicon.probabilities.toarray()
    for (target, source), probability in expected.items():
        if target is not None:
            column = lexicon.source_words.index(source)
            found = dense[lexicon.rows[target], column]
            np.testing.assert_allclose(found, probability, rtol=1e-9)
    np.testing.assert_allclose(dense.sum(axis=1), 1.0)


@pytest.mark.parametrize("tension", [0.0, 4.0])
def test_finds_the_dictionary(rng: np.random.Generator, tension: float) -> None:
    pairs = sentences(rng, count=400, shuffle=tension == 0)
    forward = alignment.ibm1(pairs, tension=tension)
    backward = alignment.ibm1([(t, s) for s, t in pairs], tension=tension)
    for source, target in DICTIONARY.items():
        assert forward.translations(target, 1)[0][0] == source
        assert backward.translations(source, 1)[0][0] == target


def test_prior_tells_words_apart_that_always_stand_together() -> None:
    pairs = [(["red", "house"], ["nyekundu", "nyumba"])] * 5
    undecided = alignment.ibm1(pairs)
    assert undecided.translations("nyumba", 2)[0][1] == pytest.approx(0.5)
    decided = alignment.ibm1(pairs, tension=4.0)
    assert decided.translations("nyumba", 1)[0] == ("house", pytest.approx(1, abs=0.1))


def test_small_probabilities_are_dropped(rng: np.random.Generator) -> None:
    pairs = sentences(rng, count=200, shuffle=True)
    lexicon = alignment.ibm1(pairs, min_probability=0.01)
    assert lexicon.probabilities.data.min() >= 0.01
    assert lexicon.probabilities.nnz < alignment.ibm1(pairs).probabilities.nnz


def test_unknown_word_has_no_translations() -> None:
    lexicon = alignment.ibm1([(["a"], ["b"]), ([], ["c"]), (["d"], [])])
    assert lexicon.translations("b", 3) == [("a", 1.0)]
    assert lexicon.translations("c", 3) == []


def test_refuses_what_cannot_be_aligned() -> None:
    with pytest.raises(ValueError, match="words on both sides, got 0"):
        alignment.ibm1([(["a"], [])])
    with pytest.raises(ValueError, match="iterations must be at least 1, got 0"):
        alignment.ibm1([(["a"], ["b"])], iterations=0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ng'ombe wa ‘Rais’, 2,500!", ["ng'ombe", "wa", "rais", "2", "500"]),
        ("Obama’s snake_case", ["obama's", "snake", "case"]),
        ("O\u0323mo\u0323 \u1ecd\u0300hu\u0301n", ["ọmọ", "\u1ecd\u0300hún"]),
        ("हिन्दी में।", ["हिन्दी", "में"]),
        ("सन २०१५, ١٩٨٤", ["सन", "2015", "1984"]),
        ("東京タワー 京 ok", ["東京", "京タ", "タワ", "ワー", "京", "ok"]),
        ("สวัสดี", ["สวั", "วัส", "สดี"]),
        ("... -- '", []),
    ],
)
def test_word_tokenize(text: str, words: list[str]) -> None:
    assert alignment.word_tokenize(text) == words
