import dataclasses
from pathlib import Path

import numpy as np
import pytest

from optical_jax.data import bitext, dictionaries, synthetic
from optical_jax.data.clean import CleaningConfig
from optical_jax.data.sources import BitextSource
from optical_jax.data.synthetic import SyntheticSource
from optical_jax.data.texts import TextSource
from tests.data import bilingual

QUESTIONS = [
    f"who did {verb} the {noun}"
    for verb, noun in zip(bilingual.VERBS, bilingual.NOUNS, strict=False)
]
MUSE = dictionaries.DictionarySource(format="muse", path="d.txt")
GLOSSED = SyntheticSource(
    name="glossed",
    kind="code-switch",
    texts=TextSource(path="q.txt"),
    dictionaries=(MUSE,),
)
ALL = (
    GLOSSED,
    SyntheticSource(
        name="mixed", kind="code-switch", probability=0.5, per_text=2, limit=40
    ),
    SyntheticSource(name="phrases", kind="phrases", asked=0.5),
    SyntheticSource(name="keywords", kind="keywords"),
    SyntheticSource(name="questions", kind="questions", per_text=3),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthetic")
    rows = ["\t".join(pair) for pair in bilingual.pairs(300)]
    (path / "b.tsv").write_text("\n".join(rows))
    (path / "q.txt").write_text("\n".join(QUESTIONS))
    entries = bilingual.WORDS | {"who": "nani"}
    (path / "d.txt").write_text("\n".join(f"{a} {b}" for a, b in entries.items()))
    return path


@pytest.fixture(scope="module")
def prepared(root: Path) -> bitext.Bitext:
    source = BitextSource(name="news", format="tsv", source="b.tsv")
    return bitext.prepare(
        [source],
        root=root,
        data_dir=root / "cache",
        cleaning=CleaningConfig(),
        validation_fraction=0.2,
    )


def _prepare(root: Path, prepared: bitext.Bitext, *sources, **options) -> bitext.Bitext:
    return synthetic.prepare(
        sources,
        prepared,
        **{"root": root, "data_dir": root / "cache", "cleaning": CleaningConfig()}
        | options,
    )


@pytest.fixture(scope="module")
def made(root: Path, prepared: bitext.Bitext) -> bitext.Bitext:
    return _prepare(root, prepared, *ALL)


def _pairs(made: bitext.Bitext, name: str) -> list:
    rows = made.split("train")
    return rows.__getitems__(made.origins("train")[name].tolist())


def test_every_source_is_counted_and_named(made: bitext.Bitext) -> None:
    assert list(made.report) == [source.name for source in ALL]
    for name, counts in made.report.items():
        rows = _pairs(made, name)
        assert len(rows) == counts["kept"] == counts["train"] > 0
        assert {row["origin"] for row in rows} == {name}
    assert made.report["glossed"]["read"] == len(QUESTIONS)
    assert made.report["mixed"]["read"] == 80


def test_texts_are_switched_by_the_dictionary(made: bitext.Bitext) -> None:
    translations = bilingual.WORDS | {"who": "nani"}
    for row in _pairs(made, "glossed"):
        words = [translations.get(word, word) for word in row["source"].split()]
        assert row["target"] == " ".join(words)


def test_some_queries_are_asked(made: bitext.Bitext) -> None:
    rows = _pairs(made, "phrases")
    asked = [row for row in rows if row["source"].endswith("?")]
    assert 0.3 < len(asked) / len(rows) < 0.7
    assert {row["source"].split()[0] for row in asked} <= {"who", "where"}


def test_no_held_out_pair_is_used_or_made(
    root: Path, prepared: bitext.Bitext, made: bitext.Bitext
) -> None:
    held_out = prepared.pairs("validation")
    secret = SyntheticSource(
        name="all",
        kind="code-switch",
        texts=TextSource(path="held.txt"),
        dictionaries=(MUSE,),
    )
    (root / "held.txt").write_text(
        "\n".join([*(p.source for p in held_out), "who verb1"])
    )
    again = _prepare(root, prepared, secret)
    assert again.report["all"]["kept"] == 1
    assert again.report["all"]["overlap"] == len({p.source for p in held_out})
    texts = {text for pair in held_out for text in pair}
    assert not any(
        {row["source"], row["target"]} & texts for row in made.split("train")
    )


def test_excluded_texts_are_kept_out(root: Path, prepared: bitext.Bitext) -> None:
    excluded = frozenset({"Who did VERB0 the noun0?"})
    made = _prepare(root, prepared, GLOSSED, excluded_texts=excluded)
    assert made.report["glossed"]["overlap"] == 1
    assert QUESTIONS[0] not in {row["source"] for row in made.split("train")}


def test_the_same_is_made_once_and_again_the_same(
    root: Path, prepared: bitext.Bitext, made: bitext.Bitext, tmp_path: Path
) -> None:
    heavier = [dataclasses.replace(source, weight=2.0) for source in ALL]
    assert _prepare(root, prepared, *heavier) == made
    elsewhere = _prepare(root, prepared, *ALL, data_dir=tmp_path)
    assert elsewhere.directory.name == made.directory.name
    assert elsewhere.split("train")[:] == made.split("train")[:]
    few = bitext.Bitext(prepared.directory, limit=100)
    names = {
        _prepare(root, given, GLOSSED, seed=seed).directory.name
        for given, seed in ((prepared, 1), (few, 0))
    }
    assert len(names | {made.directory.name}) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "a/b"}, r"'a/b': a name is not empty"),
        ({"weight": 0.0}, r"weight must be positive, got 0"),
        ({"per_text": 0}, r"per_text must be at least 1, got 0"),
        ({"limit": -1}, r"limit must be at least 0, got -1"),
        ({"respelt": -0.5}, r"respelt must be between 0 and 1, got -0.5"),
        ({"asked": 1.5}, r"asked must be between 0 and 1, got 1.5"),
        ({"probability": 0.0}, r"code-switch needs dictionaries and a probability"),
        ({"dictionaries": ()}, r"code-switch needs dictionaries"),
    ],
)
def test_bad_settings(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SyntheticSource(**{"name": "a", "kind": "code-switch"} | options)


def test_names_must_differ_from_all_others(root: Path, prepared: bitext.Bitext) -> None:
    for sources in (
        (GLOSSED, GLOSSED),
        (dataclasses.replace(GLOSSED, name="news"),),
        (),
    ):
        with pytest.raises(
            ValueError, match=r"names of their own.*bitext has \['news'\]"
        ):
            _prepare(root, prepared, *sources)


_SPELT = str.maketrans("abcdefghiklmnoprstuvz", "абкдефгхиклмнопрстувз")


@pytest.fixture(scope="module")
def of_names(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bitext.Bitext]:
    """Sentences about 160 people, whose names the target side writes in its own letters."""
    root = tmp_path_factory.mktemp("names")
    rng = np.random.default_rng(0)
    parts = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    names = sorted({"".join(rng.choice(parts, 3)) for _ in range(160)})
    rows = []
    for name in names * 2:
        verb, other = rng.choice([*bilingual.VERBS]), rng.choice([*bilingual.NOUNS])
        words = [bilingual.WORDS[word] for word in (verb, other)]
        rows.append(
            f"they {verb} {name.capitalize()} in {other}\t"
            f"wao {words[0]} {name.translate(_SPELT).capitalize()} ya {words[1]}"
        )
    (root / "b.tsv").write_text("\n".join(rows))
    (root / "q.txt").write_text("they verb1 Melina in noun2\nthey verb3 verona\n")
    prepared = bitext.prepare(
        [BitextSource(name="news", format="tsv", source="b.tsv")],
        root=root,
        data_dir=root / "cache",
        cleaning=CleaningConfig(),
    )
    return root, prepared


def test_words_without_a_translation_are_respelt_as_the_bitext_respells_names(
    of_names: tuple[Path, bitext.Bitext],
) -> None:
    root, prepared = of_names
    source = dataclasses.replace(
        GLOSSED,
        dictionaries=(dictionaries.DictionarySource(format="bitext"),),
        respelt=1.0,
        per_text=3,
    )
    made = _prepare(root, prepared, source)
    found = {word for p in _pairs(made, "glossed") for word in p["target"].split()}
    assert found >= {"Мелина", "верона"}
    assert not found & {"Melina", "verona"}
    kept = _prepare(root, prepared, dataclasses.replace(source, respelt=0.0))
    assert kept.directory != made.directory
    found = {word for p in _pairs(kept, "glossed") for word in p["target"].split()}
    assert found >= {"Melina", "verona"}


def test_bitext_without_respelt_names_cannot_respell(
    root: Path, prepared: bitext.Bitext
) -> None:
    with pytest.raises(ValueError, match="too few respelt names.*set respelt to 0"):
        _prepare(root, prepared, dataclasses.replace(GLOSSED, respelt=0.5))
