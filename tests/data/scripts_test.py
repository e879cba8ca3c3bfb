from optical_jax.data import scripts


def test_script_of_letters_only() -> None:
    assert [scripts.script_of(c) for c in "aйकไ字7,ـ\u0301ａ"] == [
        "LATIN",
        "CYRILLIC",
        "DEVANAGARI",
        "THAI",
        "CJK",
        None,
        None,
        None,
        None,
        "LATIN",
    ]


def test_usual_scripts_are_those_written_together() -> None:
    japanese = ["東京タワーに行きました", "これは本です", "カメラを買った"]
    assert scripts.usual(japanese) == {"HIRAGANA", "KATAKANA", "CJK"}
    # Lines in another script do not make it usual, however many letters they have.
    mixed = ["यह एक पंक्ति है और यह भी एक पंक्ति है"] * 3 + ["English line left there"]
    assert scripts.usual(mixed) == {"DEVANAGARI"}
    assert scripts.usual(["12", "?"]) == frozenset()


def test_is_mostly() -> None:
    assert scripts.is_mostly("COVID-19 बद्दल माहिती", frozenset({"DEVANAGARI"}))
    assert not scripts.is_mostly("Kimberly-Clark माहिती", frozenset({"DEVANAGARI"}))
    assert scripts.is_mostly("12:30", frozenset({"LATIN"}))


def test_scripts_without_spaces() -> None:
    assert all(map(scripts.is_unspaced, "東ひカーไລខမ"))
    assert not any(map(scripts.is_unspaced, "aйक한དु1 "))
