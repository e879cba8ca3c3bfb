from pathlib import Path

import pytest

from optical_jax.data import dictionaries, lexicon_file
from optical_jax.data.dictionaries import Dictionary, DictionarySource, Translation

TEI = """<?xml version="1.0" encoding="UTF-8"?>
<TEI xmlns="http://www.tei-c.org/ns/1.0"><text><body>
<entry><form><orth>Come!</orth><orth>come</orth></form>
 <sense><def>njoo, kuja (tenzi)</def><note>hint, not this</note></sense></entry>
<entry><form><orth>look for</orth></form>
 <sense><cit type="trans"><quote>tafuta</quote></cit><def>to seek, long</def></sense></entry>
</body></text></TEI>
"""


def _read(tmp_path: Path, text: str, format: str, **options) -> Dictionary:
    (tmp_path / "d").write_text(text, encoding="utf-8")
    source = DictionarySource(format=format, path="d", **options)
    return dictionaries.read(source, root=tmp_path)


def _texts(dictionary: Dictionary) -> dict[str, list[str]]:
    return {" ".join(k): [t.text for t in v] for k, v in dictionary.entries.items()}


@pytest.mark.parametrize(
    ("format", "text", "entries"),
    [
        (
            "muse",
            "the ang\nhouse\tbahay\nHouse  tahanan\n\n... x\n",
            {"the": ["ang"], "house": ["bahay", "tahanan"]},
        ),
        (
            "gatitos",
            "first name\tpahila naam\ncar\tkar/gadi (bada)\npike (fish)\tmachli\n",
            {"first name": ["pahila naam"], "car": ["gadi", "kar"], "pike": ["machli"]},
        ),
        (
            "tsv",
            "New York\tNyu Yok\n\nred \t nyekundu\n",
            {
                "new york": ["Nyu Yok"],
                "red": ["nyekundu"],
            },
        ),
        ("tei", TEI, {"come": ["kuja", "njoo"], "look for": ["tafuta"]}),
    ],
)
def test_formats(tmp_path: Path, format: str, text: str, entries: dict) -> None:
    found = _read(tmp_path, text, format, language="x")
    assert _texts(found) == entries
    assert found.language == "x"
    for translations in found.entries.values():
        assert sum(t.probability for t in translations) == pytest.approx(1)


def test_a_file_serves_the_other_direction(tmp_path: Path) -> None:
    found = _read(
        tmp_path, "House\tnyumba kubwa\nhome\tNyumba kubwa\n", "tsv", reverse=True
    )
    assert _texts(found) == {"nyumba kubwa": ["House", "home"]}


def test_a_lexicon_keeps_its_contexts(tmp_path: Path) -> None:
    rows = [
        lexicon_file.Row("who", "ambaye", 0.75, "any"),
        lexicon_file.Row("who", "", 0.25, "any"),
        lexicon_file.Row("who", "nani", 1.0, "question"),
        lexicon_file.Row("who", "WHO", 1.0, "name"),
    ]
    lexicon_file.write(tmp_path / "d", rows)
    source = DictionarySource(format="lexicon", path="d")
    found = dictionaries.read(source, root=tmp_path)
    words = ["who", "is"]
    assert found.find(words) == (
        1,
        (Translation("ambaye", 0.75), Translation("", 0.25)),
    )
    assert found.find(words, question=True) == (1, (Translation("nani", 1.0),))
    assert found.find(words, question=True, name=True) == (
        1,
        (Translation("WHO", 1.0),),
    )
    assert found.find(["is"], name=True) is None
    turned = DictionarySource(format="lexicon", path="d", reverse=True)
    assert _texts(dictionaries.read(turned, root=tmp_path)) == {"ambaye": ["who"]}


def test_the_longest_entry_is_found() -> None:
    entries = dictionaries.collect(
        [("new york", "NY", 1.0), ("new", "mpya", 1.0), ("new york city", "NYC", 1.0)]
    )
    found = Dictionary(entries=entries)
    assert found.longest == 3
    assert found.find(["new", "york", "times"]) == (2, (Translation("NY", 1.0),))
    assert found.find(["new", "york", "city", "x"])[0] == 3
    assert found.find(["new"])[0] == 1
    assert found.find(["york"]) is None
    # Without a table of names, a name is a word as any other.
    assert found.find(["new"], name=True)[0] == 1


def test_merging_takes_an_entry_from_the_first_that_has_it() -> None:
    one = Dictionary(language="x", entries=dictionaries.collect([("a", "p", 1.0)]))
    two = Dictionary(
        language="x",
        entries=dictionaries.collect([("A", "q", 1.0), ("b", "r", 1.0)]),
        questions=dictionaries.collect([("b", "s", 1.0)]),
        names=dictionaries.collect([("b", "B", 1.0)]),
    )
    other = Dictionary(language="y", entries=dictionaries.collect([("a", "z", 1.0)]))
    merged = dictionaries.merge([one, other, two])
    assert [d.language for d in merged] == ["x", "y"]
    assert merged[0].entries == one.entries | {("b",): (Translation("r", 1.0),)}
    assert merged[0].questions == two.questions
    # Where one knows names, what the others say of any word holds for names too.
    assert merged[0].names == one.entries | two.names
    assert merged[1] == other


@pytest.mark.parametrize(
    ("format", "text", "message"),
    [
        ("muse", "a b\nnew york NY\n", r"line 2: expected a word and its translation"),
        (
            "tsv",
            "a\tb\nword\n",
            r"line 2: expected two columns apart by a tab, got 'word'",
        ),
        ("gatitos", "", r"has no entry: it is empty or not 'gatitos'"),
        ("tei", "<TEI><entry><orth>a</orth>", r"not well-formed XML"),
        ("tei", "<TEI><entry><orth>a</orth></entry></TEI>", r"has no entry"),
        ("lexicon", "a\tb\n", r"is no lexicon"),
    ],
)
def test_bad_files(tmp_path: Path, format: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _read(tmp_path, text, format)


def test_missing_files_and_bad_settings(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        dictionaries.read(DictionarySource(format="muse", path="no"), root=tmp_path)
    with pytest.raises(ValueError, match="format 'muse' needs a path"):
        DictionarySource(format="muse")
    with pytest.raises(ValueError, match="format 'bitext' reads no file: 'x'"):
        DictionarySource(format="bitext", path="x")
    with pytest.raises(ValueError, match="max_words must be at least 1, got 0"):
        DictionarySource(format="bitext", max_words=0)
    with pytest.raises(ValueError, match=r"min_probability.*got 1.0"):
        DictionarySource(format="bitext", min_probability=1.0)
