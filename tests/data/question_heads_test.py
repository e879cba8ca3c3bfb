import collections

import numpy as np
import pytest

from optical_jax.data import phrases, question_heads
from optical_jax.data.question_heads import Head
from optical_jax.data.sources import Pair
from tests.data import bilingual


@pytest.fixture(scope="module")
def heads() -> dict[Head, int]:
    """Of the made-up bitext, with questions that ask at the end, and a speaker's name."""
    more = [Pair(f"When {v}?", f"{t} lini?") for v, t in bilingual.VERBS.items()]
    tagged = [Pair(f"Ana: {s}", f"Ana: {t}") for s, t in bilingual.pairs(60)]
    return question_heads.learn(phrases.link([*bilingual.pairs(300), *more, *tagged]))


def test_heads_stand_before_or_after_what_is_asked(heads: dict[Head, int]) -> None:
    assert heads[Head("who", "nani", True)] > 10
    assert heads[Head("where", "wapi", True)] > 10
    after = [head for head in heads if not head.before]
    assert {head.target.split()[-1] for head in after} == {"lini"}
    assert {head.source.split()[0] for head in after} == {"when"}


def test_what_is_no_question_word_is_no_head(heads: dict[Head, int]) -> None:
    first = {head.source.split()[0] for head in heads}
    assert first == {"who", "where", "when"}


def test_asking_draws_frequent_heads_more_often() -> None:
    given = {Head("who is", "ni nani", False): 90, Head("where", "wapi", True): 10}
    rng = np.random.default_rng(0)
    query = Pair("the king", "mfalme")
    asked = collections.Counter(
        question_heads.ask(query, given, rng) for _ in range(600)
    )
    who, where = (
        Pair("who is the king?", "mfalme ni nani?"),
        Pair("where the king?", "wapi mfalme?"),
    )
    assert set(asked) == {who, where}
    assert asked[who] / 600 == pytest.approx(0.75, abs=0.06)
    with pytest.raises(ValueError, match="needs a head"):
        question_heads.ask(query, {}, rng)
