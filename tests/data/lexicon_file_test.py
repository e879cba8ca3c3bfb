from pathlib import Path

import pytest

from optical_jax.data import lexicon_file
from optical_jax.data.lexicon_file import Row

ROWS = [Row("new york", "New York", 1.0, "name"), Row("the", "", 0.25, "any")]


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "made" / "lexicon.tsv"
    lexicon_file.write(path, ROWS)
    assert list(lexicon_file.read(path)) == ROWS
    assert [p.name for p in path.parent.iterdir()] == ["lexicon.tsv"]


def test_nothing_is_left_of_a_lexicon_that_fails(tmp_path: Path) -> None:
    def rows():
        yield ROWS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lexicon_file.write(tmp_path / "lexicon.tsv", rows())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("word\ttranslation\n", r"is no lexicon: its first line.*format 'tsv'"),
        ("", r"is no lexicon"),
        ("{header}\nthe\tla\n", r"line 2: expected .* got 'the\\tla'"),
        ("{header}\nthe\tla\tmuch\tany\n", r"line 2: expected"),
        ("{header}\nthe\tla\t1.5\tany\n", r"line 2: a probability.*got 1.5 and 'any'"),
        ("{header}\nthe\tla\t1\tnoun\n", r"got 1.0 and 'noun'"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.tsv"
    path.write_text(text.format(header="words\ttranslation\tprobability\tcontext"))
    with pytest.raises(ValueError, match=message):
        list(lexicon_file.read(path))
