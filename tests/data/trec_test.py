from pathlib import Path

import pytest

from optical_jax.data import trec

TOPICS = """<top>
<num> Number: 301
<title> International Organized
Crime
<desc> Description:
Identify organizations.
<narr> Narrative:
</top>
<top><num>302</num><title>Topic: Polio &amp; more</title><desc>Is it?</desc></top>
"""


def _file(folder: Path, text: str) -> Path:
    (folder / "file").write_text(text)
    return folder / "file"


def test_topics_with_and_without_closing_tags(tmp_path: Path) -> None:
    file = _file(tmp_path, TOPICS)
    assert trec.topics(file) == {
        "301": "International Organized Crime",
        "302": "Polio & more",
    }
    assert trec.topics(file, field="desc")["301"] == "Identify organizations."
    with pytest.raises(
        ValueError, match=r"has no <narr>; it begins '<num> Number: 301"
    ):
        trec.topics(file, field="narr")


def test_topics_and_documents_in_tables(tmp_path: Path) -> None:
    file = _file(tmp_path, "1\twhat is it\n\nq2\ttabs\tstay\n")
    assert trec.topics(file) == {"1": "what is it", "q2": "tabs\tstay"}
    assert trec.collection(file) == trec.topics(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 what\n", r"line 1: expected 'identifier<tab>text', got '1 what'"),
        ("1\ta\n1\tb\n", "line 2: '1' occurs twice"),
        ("", "is empty"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trec.topics(_file(tmp_path, text))


@pytest.mark.parametrize(
    "text",
    [
        "q 0 d1 2\nq Q0 d2 -1\nr 0 d1 0\n",
        "q\t0\td1\t2\nq\t0\td2\t-1\nr\t0\td1\t0\n",
        "query-id\tcorpus-id\tscore\nq\td1\t2\nq\td2\t-1\nr\td1\t0\n",
    ],
)
def test_qrels_of_three_kinds(tmp_path: Path, text: str) -> None:
    expected = {"q": {"d1": 2, "d2": -1}, "r": {"d1": 0}}
    assert trec.qrels(_file(tmp_path, text)) == expected


def test_bad_qrels(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 2: expected 'query_id .*got 'q 0 d x'"):
        trec.qrels(_file(tmp_path, "q 0 d 1\nq 0 d x\n"))
    with pytest.raises(ValueError, match="holds no relevance judgment"):
        trec.qrels(_file(tmp_path, "query-id\tcorpus-id\tscore\n"))
