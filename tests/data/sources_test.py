import zipfile
from pathlib import Path

import pytest

from optical_jax.data import sources, tmx, zefania
from optical_jax.data.sources import BitextSource, Pair

TMX = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="EN-US"/><body>
<tu><prop type="note">http://x</prop>
<tuv xml:lang="EN-US"><seg>the <hi>red</hi> <ph>{1}</ph>sun &amp; moon</seg></tuv>
<tuv xml:lang="sw_KE"><seg>jua jekundu</seg></tuv></tu>
<tu><tuv lang="en"><seg>only English</seg></tuv></tu>
</body></tmx>"""

BIBLE = """<?xml version="1.0" encoding="utf-8"?>
<XMLBIBLE><BIBLEBOOK bnumber="1"><CHAPTER cnumber="1">{}</CHAPTER></BIBLEBOOK></XMLBIBLE>
"""


def _write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_moses_pairs_lines_and_normalises_them(tmp_path: Path) -> None:
    root = _write(tmp_path, en="\ufeffthe  sun\n\nthe moon", sw="jua\n\nmwezi\n")
    source = BitextSource(name="x", format="moses", source="en", target="sw")
    assert sources.read(source, root=root) == [
        Pair("the sun", "jua"),
        Pair("", ""),
        Pair("the moon", "mwezi"),
    ]


def test_unequal_numbers_of_lines_name_both_files_and_counts(tmp_path: Path) -> None:
    root = _write(tmp_path, en="a\nb\nc\n", sw="d\ne\n")
    source = BitextSource(name="x", format="moses", source="en", target="sw")
    with pytest.raises(ValueError, match=r"en has 3 lines but .*sw has 2"):
        sources.read(source, root=root)


def test_empty_files_are_refused(tmp_path: Path) -> None:
    root = _write(tmp_path, en="", sw="")
    source = BitextSource(name="news", format="moses", source="en", target="sw")
    with pytest.raises(ValueError, match=r"'news' is empty: .*en and .*sw"):
        sources.read(source, root=root)


def test_tsv_with_header_columns_and_quotes(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        quoted='id\tsw\ten\n1\t"jua ""kali"""\tsun\n2\t"a\tb"\tc\n3\n',
        plain='jua\t"sun"\tCC-BY\n',
    )
    quoted = BitextSource(
        name="q",
        format="tsv",
        source="quoted",
        columns=(2, 1),
        header=True,
        quoted=True,
    )
    assert sources.read(quoted, root=root) == [
        Pair("sun", 'jua "kali"'),
        Pair("c", "a b"),
        Pair("", ""),
    ]
    plain = BitextSource(name="p", format="tsv", source="plain", columns=(1, 0))
    assert sources.read(plain, root=root) == [Pair('"sun"', "jua")]


def test_tsv_errors(tmp_path: Path) -> None:
    root = _write(tmp_path, x="a,b\n", q='"a"b\tc\n')
    with pytest.raises(ValueError, match=r"x has 1 tab-separated columns.*\(0, 1\)"):
        sources.read(BitextSource(name="x", format="tsv", source="x"), root=root)
    quoted = BitextSource(name="q", format="tsv", source="q", quoted=True)
    with pytest.raises(ValueError, match=r"q, line 1: not quoted as CSV"):
        sources.read(quoted, root=root)


def test_tmx_in_a_zip_finds_varieties_and_drops_codes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "memory.zip", "w") as archive:
        archive.writestr("memory.tmx", TMX)
    source = BitextSource(
        name="t", format="tmx", source="memory.zip", target_language="sw"
    )
    assert sources.read(source, root=tmp_path) == [
        Pair("the red sun & moon", "jua jekundu"),
        Pair("only English", ""),
    ]


def test_unknown_language_lists_those_there(tmp_path: Path) -> None:
    root = _write(tmp_path, m=TMX)
    with pytest.raises(ValueError, match=r"language 'so'; it has EN-US, en, sw_KE"):
        tmx.read(root / "m", languages=("en", "so"))


def test_cut_off_xml_is_refused(tmp_path: Path) -> None:
    root = _write(tmp_path, m=TMX[:-40])
    with pytest.raises(ValueError, match=r"m is not well-formed XML .*cut off"):
        tmx.read(root / "m", languages=("en", "sw"))


def test_entity_definitions_are_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE tmx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><tmx>&b;</tmx>'
    root = _write(tmp_path, m=bomb)
    with pytest.raises(ValueError, match="defines XML entities, which are refused"):
        tmx.read(root / "m", languages=("en", "sw"))


def test_zefania_joins_verses_by_number(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        en=BIBLE.format(
            '<VERS vnumber="1">In the <STYLE>beginning</STYLE><NOTE>so</NOTE>.</VERS>'
            '<VERS vnumber="2">and</VERS>'
        ),
        sw=BIBLE.format('<VERS vnumber="3">tatu</VERS><VERS vnumber="1">Mwanzo</VERS>'),
        none=BIBLE.format(""),
    )
    source = BitextSource(name="b", format="zefania", source="en", target="sw")
    assert sources.read(source, root=root) == [Pair("In the beginning.", "Mwanzo")]
    with pytest.raises(ValueError, match="none has no verse"):
        zefania.verses(root / "none")


def test_bibles_without_a_common_verse_are_refused(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        en=BIBLE.format('<VERS vnumber="1">one</VERS>'),
        sw=BIBLE.format('<VERS vnumber="2">mbili</VERS>'),
    )
    with pytest.raises(ValueError, match=r"\(1 verses\) share no \(book, chapter"):
        zefania.read(root / "en", root / "sw")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "moses"}, "'x': format 'moses' needs a target file"),
        ({"format": "tsv", "target": "t"}, "reads one file, but target is 't'"),
        ({"format": "tmx"}, "needs a target_language"),
        ({"format": "tsv", "columns": (1, 1)}, r"two different .* got \(1, 1\)"),
        ({"format": "tsv", "weight": 0.0}, "weight must be positive, got 0.0"),
        ({"format": "tsv", "name": "a/b"}, "has no '/'"),
    ],
)
def test_incomplete_sources_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BitextSource(**({"name": "x", "source": "s"} | fields))


def test_json_lines_by_the_names_of_their_fields(tmp_path: Path) -> None:
    root = _write(tmp_path, q='{"id": 1, "en": "who?", "x": "nani?"}\n\n')
    source = BitextSource(name="x", format="jsonl", source="q", keys=("en", "x"))
    assert sources.read(source, root=root) == [Pair("who?", "nani?")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"en": "a"}',
            r"line 1 is no JSON object with the fields 'en' and 'x' \('x'\)",
        ),
        ("[1]", r"line 1 is no JSON object"),
        ("{", r"line 1 is no JSON object"),
        ('{"en": "a", "x": null}', r"'en' and 'x' must be texts, got 'a' and None"),
    ],
)
def test_json_lines_that_are_no_pairs_are_named(tmp_path, line, message) -> None:
    root = _write(tmp_path, q=line + "\n")
    source = BitextSource(name="x", format="jsonl", source="q", keys=("en", "x"))
    with pytest.raises(ValueError, match=message):
        sources.read(source, root=root)


def test_word_lists_hold_two_words_a_line(tmp_path: Path) -> None:
    root = _write(tmp_path, d="sun jua\n\nmoon\tmwezi\n", bad="the sun jua\n")
    source = BitextSource(name="x", format="muse", source="d")
    assert sources.read(source, root=root) == [
        Pair("sun", "jua"),
        Pair("moon", "mwezi"),
    ]
    with pytest.raises(
        ValueError, match=r"bad, line 1: expected a word and its translation"
    ):
        sources.read(BitextSource(name="x", format="muse", source="bad"), root=root)


def test_dictionaries_of_either_direction_are_bitext(tmp_path: Path) -> None:
    tei = (
        "<TEI><entry><form><orth>jua</orth></form><sense><cit><quote>sun</quote></cit>"
        "<cit><quote>know</quote></cit></sense></entry></TEI>"
    )
    root = _write(tmp_path, g="car (x)\tkar/gadi\n", d=tei)
    source = BitextSource(name="x", format="gatitos", source="g")
    assert sources.read(source, root=root) == [Pair("car", "kar"), Pair("car", "gadi")]
    source = BitextSource(name="x", format="tei", source="d", reverse=True)
    assert sources.read(source, root=root) == [Pair("sun", "jua"), Pair("know", "jua")]
    with pytest.raises(ValueError, match=r"reverse is for the dictionaries .*'tmx'"):
        BitextSource(
            name="x", format="tmx", source="d", target_language="sw", reverse=True
        )
