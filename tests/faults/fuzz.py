"""Good files made bad in every way: a reader names the file in a ValueError, or reads it."""

import gzip
import io
import json
import tempfile
import zipfile
from pathlib import Path

from hypothesis import strategies as st

from tests.faults.readers import FileReader

# What breaks parsers: ends, signs, numbers too large, half characters, deep nesting.
_PIECES = (
    b"", b"\n", b"\r", b"\r\n", b"\t", b" ", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3",
    b"\xed\xa0\x80", b"\\ud800", b'"', b'""', b"'", b"{", b"}", b"[", b"]", b",", b":", b"<",
    b">", b"</", b"&", b"&#", b"&#" + b"9" * 5000 + b";", b"&a;", b"-", b"-1", b"0", b"1e999",
    b"NaN", b"null", b"true", b"[]", b"{}", b'"x"', b"9" * 5000, b"9" * 20, b"[" * 5000,
    b"(" * 3000, b" " * 3000, b"<a>" * 3000, b"<top>" * 500, "٣".encode(), "\u2028".encode(),
    b"<!DOCTYPE a [<!ENTITY a 'aa'>]>", b"<?xml version='1.0' encoding='utf-7'?>",
    b"<?xml version='1.0' encoding='utf-16'?>", b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06",
)  # fmt: skip

# What no field of a JSON file is made for, in turn.
_VALUES = (
    None, True, False, -1, 0, 1, 3, 2**31, 10**30, 0.5, -1e300, 1e999, "", "x", "7",
    "\ud800", "a\x00", [], [1], ["x"], [[]], {}, {"a": 1},
)  # fmt: skip


@st.composite
def contents(draw: st.DrawFn, good: tuple[bytes, ...]) -> bytes:
    """Draw a file: a good one cut, overwritten, with pieces in it, packed; or any bytes."""
    content = draw(
        st.sampled_from(good)
        | st.binary(max_size=20)
        | st.text(max_size=60).map(str.encode)
    )
    edits = draw(st.integers(0, 4))
    text = st.text(max_size=4).map(str.encode)
    if content.startswith(b"{"):
        edits = draw(st.sampled_from((0, 0, edits)))
        content = draw(_edited(content))
    for _ in range(edits):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from((0, 0, 1, 2, 8, 10**6))))
        piece = draw(st.sampled_from(_PIECES) | text | st.binary(max_size=1))
        content = content[:start] + piece + content[end:]
    packed = draw(st.sampled_from(("plain",) * 6 + ("gzip", "zip")))
    if packed != "plain":
        content = _packed(content, packed)
        if draw(st.booleans()):
            at = draw(st.integers(0, len(content) - 1))
            content = content[:at] + draw(st.binary(max_size=2)) + content[at + 1 :]
    return content


@st.composite
def _edited(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw JSON lines of which a value, at any depth of one line, is another or missing."""
    lines = content.splitlines()
    number = draw(st.integers(0, len(lines) - 1))
    try:
        value = json.loads(lines[number])
    except ValueError:
        return content
    node = value
    while isinstance(node, dict | list) and node:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or draw(st.booleans()):
            if draw(st.integers(0, 4)):
                node[key] = draw(st.sampled_from(_VALUES))
            else:
                del node[key]
            break
        node = node[key]
    lines[number] = json.dumps(value).encode()
    return b"\n".join(lines)


def _packed(content: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(content, mtime=0)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("member"), content)
    return out.getvalue()


def check(reader: FileReader, content: bytes) -> None:
    """Read a file.

    Raises:
        AssertionError: unless it is read, or refused in an error that names it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, reader.name)
        path.write_bytes(content)
        said = folder
        try:
            reader.read(path)
        except (ValueError, FileNotFoundError) as error:
            said = str(error)
        except Exception as error:
            raise AssertionError(f"{error!r} of {content[:200]!r}") from error
        assert folder in said, f"{said!r} does not name {path}"
