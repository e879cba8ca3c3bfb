from pathlib import Path

import pytest

from optical_jax.data import bitext, bitext_lexicon, dictionaries, lexicon_file
from optical_jax.data.clean import CleaningConfig
from optical_jax.data.dictionaries import DictionarySource
from optical_jax.data.sources import BitextSource
from tests.data import bilingual


@pytest.fixture
def prepared(tmp_path: Path) -> bitext.Bitext:
    rows = ["\t".join(pair) for pair in bilingual.pairs(300)]
    (tmp_path / "b.tsv").write_text("\n".join(rows))
    return bitext.prepare(
        [BitextSource(name="b", format="tsv", source="b.tsv")],
        root=tmp_path,
        data_dir=tmp_path / "cache",
        cleaning=CleaningConfig(),
    )


def test_a_lexicon_is_learnt_once_for_its_settings(
    prepared: bitext.Bitext, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = prepared.directory.parent
    lexicon = bitext_lexicon.BitextLexicon(prepared, data_dir=data_dir)
    source = DictionarySource(format="bitext")
    words = DictionarySource(format="bitext", max_words=1)
    turned = DictionarySource(format="bitext", reverse=True)
    paths = [lexicon.path(s) for s in (source, words, turned)]
    assert len(set(paths)) == 3
    longest = [max(len(r.words.split()) for r in lexicon_file.read(p)) for p in paths]
    assert longest[0] > 1 == longest[1]
    back = lexicon.dictionaries([turned], root=Path())[0]
    assert back.find(["jina3"])[1][0].text == "noun3"
    # A second run finds the files and links nothing.
    monkeypatch.setattr(bitext_lexicon.phrases, "link", None)
    again = bitext_lexicon.BitextLexicon(prepared, data_dir=data_dir)
    assert [again.path(s) for s in (source, words, turned)] == paths


def test_dictionaries_of_a_language_become_one(
    prepared: bitext.Bitext, tmp_path: Path
) -> None:
    (tmp_path / "muse.txt").write_text("noun1 neno\nfrog chura\n")
    lexicon = bitext_lexicon.BitextLexicon(prepared, data_dir=tmp_path / "cache")
    own = DictionarySource(format="bitext", language="sw")
    muse = DictionarySource(format="muse", path="muse.txt", language="sw")
    other = DictionarySource(format="muse", path="muse.txt", language="x")
    joined, alone = lexicon.dictionaries([own, other, muse], root=tmp_path)
    assert (joined.language, alone.language) == ("sw", "x")
    assert [t.text for t in joined.find(["noun1"])[1]] == ["jina1"]
    assert joined.find(["frog"])[1] == (dictionaries.Translation("chura", 1.0),)
    assert joined.find(["noun2"])[1][0].text == "jina2"


def test_a_lower_limit_is_another_lexicon(prepared: bitext.Bitext) -> None:
    data_dir = prepared.directory.parent
    few = bitext.Bitext(prepared.directory, limit=50)
    source = DictionarySource(format="bitext")
    paths = {
        bitext_lexicon.BitextLexicon(b, data_dir=data_dir).path(source)
        for b in (prepared, few)
    }
    assert len(paths) == 2
