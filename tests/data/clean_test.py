import pytest

from optical_jax.data import clean
from optical_jax.data.clean import CleaningConfig
from optical_jax.data.sources import Pair

CONFIG = CleaningConfig()
GOOD = [
    Pair(f"The number of this sentence is {i}", f"Namba ya sentensi hii ni {i}")
    for i in range(20)
]


def _only_reason(pair: Pair, config: CleaningConfig = CONFIG, **kwargs) -> str:
    kept, counts = clean.clean([*GOOD, pair], config, **kwargs)
    assert kept == GOOD
    assert (counts["read"], counts["kept"]) == (21, 20)
    return next(r for r in clean.REASONS if counts[r])


def test_good_pairs_stay() -> None:
    kept, counts = clean.clean(GOOD, CleaningConfig())
    assert kept == GOOD
    assert counts == {"read": 20} | dict.fromkeys(clean.REASONS, 0) | {"kept": 20}


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (Pair("", "jua"), "empty"),
        (Pair("***", "jua"), "empty"),
        (Pair("so " * 400, "hivyo " * 200), "long"),
        (Pair("Muhammadu Buhari", "muhammadu buhari."), "copy"),
        (Pair("The number is one", "العدد هو واحد"), "script"),
        (Pair("العدد هو واحد", "Namba ni moja"), "script"),
        (
            Pair("The year was 1935.", "Namba ya sentensi hii ni kubwa " * 10),
            "length_ratio",
        ),
        (
            Pair("the number of this sentence is 3!", "namba ya sentensi hii ni 3"),
            "duplicate",
        ),
    ],
)
def test_each_reason(pair: Pair, reason: str) -> None:
    assert _only_reason(pair) == reason


def test_checks_can_be_turned_off() -> None:
    odd = [
        Pair("Muhammadu Buhari", "Muhammadu Buhari"),
        Pair("The number is one", "العدد هو واحد"),
        Pair("The year was 1935.", "Namba ya sentensi hii ni kubwa " * 10),
    ]
    config = CleaningConfig(copies=False, script=False, ratio_deviations=0.0)
    assert clean.clean(GOOD + odd, config)[0] == GOOD + odd


def test_overlap_with_an_evaluation_text_whole_or_in_part() -> None:
    texts = {
        "Who wrote it?",
        "Title. It rained for three long days in the old town by the sea, and then not.",
    }
    asked = Pair("who wrote it", "nani aliandika")
    part = Pair(
        "It rained for three long days in the old town by the sea, he said.",
        "Mvua ilinyesha siku tatu katika mji wa kale kando ya bahari, alisema.",
    )
    for pair in (asked, part, Pair("Nani aliandika?", "Who wrote it?")):
        assert _only_reason(pair, excluded_texts=texts) == "overlap"
    whole_only = CleaningConfig(overlap_words=0)
    assert part in clean.clean([*GOOD, part], whole_only, excluded_texts=texts)[0]


def test_a_pair_of_an_earlier_source_is_a_duplicate() -> None:
    config, exclusion = CleaningConfig(), clean.Exclusion((), words=0)
    seen: set[tuple[str, str]] = set()
    first = clean.reasons(GOOD[:5], config, exclusion=exclusion, seen=seen)
    again = clean.reasons(GOOD[3:7], config, exclusion=exclusion, seen=seen)
    assert first == [None] * 5
    assert again == ["duplicate", "duplicate", None, None]


def test_no_pair_at_all() -> None:
    assert clean.clean([Pair("", "")], CleaningConfig())[1]["empty"] == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_characters": 0}, "max_characters must be positive, got 0"),
        ({"ratio_deviations": -1.0}, "ratio_deviations must not be negative, got -1"),
        ({"overlap_words": -1}, "overlap_words must not be negative, got -1"),
    ],
)
def test_settings_out_of_range(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CleaningConfig(**fields)
