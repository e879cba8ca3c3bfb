"""Files of users, made bad at random: an error that names the file, in bounded memory."""

import gzip
import tracemalloc

import hypothesis
import pytest

from optical_jax.data import textfile
from tests.faults import fuzz, readers

_READERS = readers.every()
# Of each reader; `python -m tests.faults.campaign` draws more.
_EXAMPLES = 15
# XML and numbers that grow, before anything is made of them.
_BOMB = (
    b'<!DOCTYPE a [<!ENTITY a0 "lol">'
    + b"".join(b'<!ENTITY a%d "%s">' % (i + 1, b"&a%d;" % i * 10) for i in range(9))
    + b"]><tmx>&a9;</tmx>"
)


@pytest.mark.parametrize("name", _READERS)
def test_good_files_are_read(name, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    for content in _READERS[name].good:
        assert _read(tmp_path, name, content) is not None


@pytest.mark.parametrize("name", _READERS)
def test_bad_files_are_named(name):
    @hypothesis.settings(
        max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None
    )
    @hypothesis.given(fuzz.contents(_READERS[name].good))
    def refused_or_read(content):
        fuzz.check(_READERS[name], content)

    refused_or_read()


@pytest.mark.parametrize("name", ["tmx", "zefania", "tei"])
def test_xml_that_expands_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="defines XML entities"):
        _read(tmp_path, name, _BOMB)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("safetensors", (2**60).to_bytes(8, "little") + b"{}", "no safetensors file"),
        (
            "encoder config",
            b'{"model_type": "bert", "num_hidden_layers": 1000000000000}',
            "num_hidden_layers must be at most 1000",
        ),
        ("moses", gzip.compress(b"a" * (3 << 24)), r"line 1 has \d+ characters"),
        ("tmx", gzip.compress(b"<a>" + b"a" * (5 << 24)), "more than 67108864 bytes"),
        ("tmx", b"<a>" * 300, "more than 200 elements in each other"),
    ],
)
def test_a_small_file_that_says_it_is_large_takes_little_memory(
    name, content, message, tmp_path
):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            _read(tmp_path, name, content)
        assert tracemalloc.get_traced_memory()[1] < 20 * textfile.LONGEST_LINE
    finally:
        tracemalloc.stop()


def _read(folder, name, content):
    path = folder / _READERS[name].name
    path.write_bytes(content)
    return _READERS[name].read(path)
