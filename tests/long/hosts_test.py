"""Two real processes over gloo encode, search and evaluate as one does, bit for bit."""

import json
import random

import pytest

from optical_jax.models import folder
from tests.long import hosts
from tests.models import tiny

# Small shards and blocks: every process has several of each.
_SMALL = """
import functools
from optical_jax.retrieval import index, sharded_search
index.build = functools.partial(index.build, shard=8)
sharded_search.search = functools.partial(sharded_search.search, block=8)
"""
# Process {victim} ends, as by kill -9, when it would write its second shard.
_KILLED = """
import os, jax
from optical_jax.retrieval import shards
save = shards._save
def killed(path, *rest):
    if jax.process_index() == {victim} and {second!r} in str(path):
        os._exit(9)
    save(path, *rest)
shards._save = killed
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A collection of 60 documents, 8 shards, and a teacher and a student."""
    path = tmp_path_factory.mktemp("hosts")
    folder.save(tiny.make(tiny.TOKENWISE), path / "teacher")
    folder.save(tiny.make(tiny.TOKENWISE, seed=1), path / "student")
    made, rng = path / "made", random.Random(0)
    words = ["habari", "dunia", "book", "the", "who", "word", "rere"]
    (made / "queries").mkdir(parents=True)
    (made / "qrels").mkdir()
    rows = [
        {"_id": f"d{i}", "title": "", "text": " ".join(rng.choices(words, k=1 + i % 9))}
        for i in range(60)
    ]
    (made / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    queries = [{"_id": f"q{i}", "text": rows[7 * i]["text"]} for i in range(6)]
    (made / "queries" / "test.jsonl").write_text("\n".join(map(json.dumps, queries)))
    lines = ["query-id\tcorpus-id\tscore", *(f"q{i}\td{7 * i}\t1" for i in range(6))]
    (made / "qrels" / "test.tsv").write_text("\n".join(lines))
    return path


def _evaluate(root, name, *more, count, devices, cache=None, before=""):
    arguments = [
        *("--collection", root / "made", "--queries", "test", "--samples", "100"),
        *("--document_encoder", root / "teacher", "--query_encoder", root / "student"),
        *("--cache", root / (cache or f"cache-{name}"), "--output", root / name),
        *("--batch_size", "4", "--depth", "40", *more),
    ]
    return hosts.run(
        "evaluate",
        arguments,
        beside=root / name,
        count=count,
        devices=devices,
        before=_SMALL + before,
    )


def _files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _index(cache):
    (found,) = cache.glob("corpus-*")
    return _files(found)


@pytest.fixture(scope="module")
def alone(root):
    """One process, with one device: its run files and measures, and its index."""
    ((status, _, err),) = _evaluate(root, "alone", count=1, devices=1)
    assert status == 0, err
    return _files(root / "alone" / "made"), _index(root / "cache-alone")


def test_two_processes_of_four_devices_are_one(root, alone):
    ended = _evaluate(root, "two", count=2, devices=4)
    assert [status for status, *_ in ended] == [0, 0], ended
    assert "made, test, 6 queries" in ended[0][1]
    assert "made, test" not in ended[1][1]  # process 0 speaks for both
    files, index = alone
    assert {"test.student.run", "test.zero-shot.run", "test.bm25.run"} <= files.keys()
    assert _files(root / "two" / "made") == files
    assert len(index) == 8 * 3 + 3
    assert _index(root / "cache-two") == index


def test_two_processes_share_the_centroids_that_one_learns(root):
    kept = []
    for count in (1, 2):
        name = f"residuals{count}"
        ended = _evaluate(
            root, name, "--vectors", "residual-2", count=count, devices=3 - count
        )
        assert [status for status, *_ in ended] == [0] * count, ended
        index = _index(root / f"cache-{name}")
        assert len(index) == 8 * 4 + 3 + 3
        kept.append((_files(root / name / "made"), index))
    assert kept[0] == kept[1]


def test_a_killed_run_goes_on_with_its_missing_shards(root, alone):
    cache = root / "cache-killed"
    killed = _KILLED.format(victim=1, second="000003")
    environ_short = 'import os; os.environ["OPTICAL_JAX_HEARTBEAT_SECONDS"] = "10"\n'
    ended = _evaluate(root, "killed", count=2, devices=1, before=environ_short + killed)
    assert ended[1][0] == 9
    assert ended[0][0] != 0
    (folder,) = cache.glob("corpus-*")
    there = {path.name: path.stat().st_mtime_ns for path in folder.glob("[0-9]*")}
    assert "000001" in there
    assert "000003" not in there
    assert not (folder / "metadata.json").exists()
    # Another number of processes goes on.
    ((status, _, err),) = _evaluate(root, "killed", count=1, devices=2)
    assert status == 0, err
    for name, written in there.items():
        assert (folder / name).stat().st_mtime_ns == written
    files, index = alone
    assert _index(cache) == index
    assert _files(root / "killed" / "made") == files


def test_two_processes_answer_a_query(root, alone):
    arguments = [
        *("--collection", root / "made", "--document_encoder", root / "teacher"),
        *("--cache", root / "cache-alone", "--k", "2"),
    ]
    shown = []
    for count in (1, 2):
        ended = hosts.run(
            "search",
            [*arguments, "--query", "habari dunia"],
            beside=root / f"search-{count}",
            count=count,
            devices=2,
            before=_SMALL,
        )
        assert [status for status, *_ in ended] == [0] * count, ended
        said = [
            [line for line in out.splitlines() if not line.startswith("[Gloo]")]
            for _, out, _ in ended
        ]
        assert said[0][0] == "60 documents of made"
        assert len(said[0]) > 2
        assert not any(said[1:])  # process 0 speaks for both
        shown.append(said[0])
    assert shown[0] == shown[1]
