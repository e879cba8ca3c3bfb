"""Every reader of files that users bring, with small files that it reads."""

import functools
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy

from optical_jax import config_io
from optical_jax.config import Config
from optical_jax.data import (
    beir,
    dictionaries,
    lexicon_file,
    links,
    ranking_json,
    sources,
    texts,
    texttable,
    tmx,
    trec,
    zefania,
)
from optical_jax.data.dictionaries import DictionarySource
from optical_jax.data.ranking_sources import RankingSource
from optical_jax.data.sources import BitextSource
from optical_jax.data.texts import TextSource
from optical_jax.models import families, hf, layout, weights
from optical_jax.retrieval import trec as runs
from optical_jax.studies.archive import Archive
from optical_jax.training import workdir
from tests.models import tiny


@dataclass(frozen=True)
class FileReader:
    """How a file is read, and what stands in a good one.

    Attributes:
        read: path -> anything; the whole file is read.
        good: contents that are read without an error.
        name: of the file, where that matters.
    """

    read: Callable[[Path], object]
    good: tuple[bytes, ...]
    name: str = "file"


_TMX = (
    b'<?xml version="1.0" encoding="utf-8"?><tmx version="1.4"><header srclang="en"/><body>'
    b'<tu><tuv xml:lang="en"><seg>the <hi>red</hi> <ph>1</ph>sun &amp; &#65;</seg></tuv>'
    b'<tuv xml:lang="sw_KE"><seg>jua</seg></tuv></tu><tu><tuv lang="en"><seg>a</seg></tuv>'
    b"</tu></body></tmx>"
)
_BIBLE = (
    '<XMLBIBLE><BIBLEBOOK bnumber="1"><CHAPTER cnumber="1"><VERS vnumber="1">In the '
    '<STYLE>beginning</STYLE><NOTE>so</NOTE>.</VERS><VERS vnumber="2">ጥቂት</VERS>'
    "</CHAPTER></BIBLEBOOK></XMLBIBLE>"
).encode()
_TEI = (
    b'<TEI xmlns="http://www.tei-c.org/ns/1.0"><text><body><entry><form><orth>come</orth>'
    b"</form><sense><def>njoo, kuja (tenzi)</def></sense></entry></body></text></TEI>"
)
_TOPICS = (
    b"<top>\n<num> Number: 301\n<title> Crime\n<desc> Description:\nFind it.\n</top>\n"
    b"<top><num>302</num><title>Polio &amp; &#65;</title><desc>Is it?</desc></top>\n"
)
_ROWS = (
    b'{"_id": "a", "title": "T", "text": "one"}\n{"_id": 2, "text": "\\u00e9 two"}\n'
)
_RANKING = (
    b'{"query": "q", "positive": "p", "negatives": ["n", "m"], "scores": [1, 0.5, -2]}\n'
    b'{"query": "r", "positive": "s"}\n'
)


def _bitext(form: str, **fields: object) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        # The other side of two files is the same file.
        target = path.name if form in ("moses", "zefania") else ""
        source = BitextSource(
            name="x", format=form, source=path.name, target=target, **fields
        )
        return sources.read(source, root=path.parent)

    return read


def _dictionary(form: str) -> Callable[[Path], object]:
    return lambda path: dictionaries.read(
        DictionarySource(format=form, path=path.name), root=path.parent
    )


def _table(path: Path) -> object:
    with tempfile.TemporaryDirectory() as cache:
        table = texttable.load(path, cache=Path(cache))
        return [(table.identifier(i), table.text(i)) for i in range(len(table))]


def _ranking(path: Path) -> object:
    with tempfile.TemporaryDirectory() as cache:
        found = ranking_json.JsonEntries(path, cache=Path(cache))
        return [found.entry(i) for i in range(found.pool)]


def _pairs(path: Path) -> object:
    source = RankingSource(name="x", format="pairs", examples=path.name)
    with tempfile.TemporaryDirectory() as cache:
        found = ranking_json.PairEntries(path, source, cache=Path(cache))
        return [found.entry(i) for i in range(found.pool)]


def _texts(form: str) -> Callable[[Path], object]:
    source = TextSource(path="file", format=form, column=1)
    return lambda path: list(texts.stream(source, root=path.parent))


def _shapes(path: Path) -> object:
    return hf.abstract_params(hf.read_config(path.parent))


def _encoder_configs() -> tuple[bytes, ...]:
    kinds = ("bert", "xlm-roberta", "modernbert", "t5", "qwen3", "gemma3_text", "llama")
    made = [tiny.encoder(kind, vocab_size=40, pad_token_id=0) for kind in kinds]
    extra = {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}
    fields = [families.config_fields(one) for one in made]
    return tuple(json.dumps(one).encode() for one in [*fields, fields[-1] | extra])


def _tensors() -> tuple[bytes, ...]:
    whole = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2)}
    return (safetensors.numpy.save(whole), safetensors.numpy.save({}))


def _run_config() -> bytes:
    source = BitextSource(name="toy", format="moses", source="en", target="sw")
    config = Config(workdir="run")
    data = {"sources": [source.__dict__], "root": "r"}
    fields = json.loads(config_io.to_json(config))
    fields["data"] |= data
    return json.dumps(fields).encode()


def _archive() -> bytes:
    row = {"collection": "c", "query_set": "q", "queries": "q", "method": "student"}
    row |= {
        "measures": {"R@10": 0.5},
        "query_ids": ["a", "b"],
        "values": {"R@10": [0.0, 1.0]},
        "details": {},
    }
    measured = {"asked": {"queries": ["q"]}, "rows": [row], "seconds": 1.5}
    config = json.loads(_run_config())
    line = {"name": "xx/all/0", "config": config, "measured": measured}
    return json.dumps({**line, "summary": {"steps": 6}, "made": {}}).encode() + b"\n"


@functools.cache
def every() -> dict[str, FileReader]:
    """Return the table of readers by name."""
    tabbed = b"jua\tsun\tx\nmwezi\tmoon\n"
    return {
        "moses": FileReader(_bitext("moses"), (b"a\nb &amp; c\n", "ẹ̀\n".encode())),
        "tsv": FileReader(_bitext("tsv"), (tabbed,)),
        "quoted tsv": FileReader(
            _bitext("tsv", quoted=True, header=True), (b'a\tb\n"x ""y"""\t"p\tq"\n',)
        ),
        "jsonl": FileReader(
            _bitext("jsonl"), (b'{"source": "who?", "target": "n\\u0101ni"}\n\n',)
        ),
        "muse bitext": FileReader(_bitext("muse"), (b"sun jua\nmoon\tmwezi\n",)),
        "tmx": FileReader(lambda path: tmx.read(path, languages=("en", "sw")), (_TMX,)),
        "zefania": FileReader(lambda path: zefania.read(path, path), (_BIBLE,)),
        "muse": FileReader(_dictionary("muse"), (b"the ang\nhouse\tbahay\n",)),
        "tsv dictionary": FileReader(_dictionary("tsv"), (tabbed,)),
        "gatitos": FileReader(
            _dictionary("gatitos"), (b"car (x)\tkar/gadi (bada)\npike\tm\n",)
        ),
        "tei": FileReader(_dictionary("tei"), (_TEI,)),
        "lexicon": FileReader(
            lambda path: list(lexicon_file.read(path)),
            (b"words\ttranslation\tprobability\tcontext\nwho\tnani\t0.75\tquestion\n",),
        ),
        "links": FileReader(links.read_pharaoh, (b"0-0 1-2 3?3 4p5\n\n",)),
        "beir corpus": FileReader(
            lambda path: beir.documents(path, titles=True), (_ROWS,)
        ),
        "beir queries": FileReader(beir.read_queries, (_ROWS,)),
        "qrels": FileReader(
            trec.qrels,
            (b"query-id\tcorpus-id\tscore\nq\td\t1\n", b"1 0 d 2\n1 0 e -1\n"),
        ),
        "topics": FileReader(trec.topics, (_TOPICS, b"1\twhat\n2\twho\n")),
        "collection": FileReader(trec.collection, (tabbed,)),
        "run": FileReader(runs.read_run, (b"q Q0 d 1 2.5 t\nq Q0 e 2 1e-3 t\n",)),
        "text table": FileReader(_table, (_ROWS, tabbed)),
        "ranking": FileReader(_ranking, (_RANKING,)),
        "pairs": FileReader(
            _pairs,
            (b'{"question": "q", "passage": "p", "title": "t", "lang": "sw"}\n',),
        ),
        "text lines": FileReader(_texts("lines"), (b"a\nb\n",)),
        "text column": FileReader(_texts("tsv"), (tabbed,)),
        "text field": FileReader(_texts("jsonl"), (_ROWS,)),
        "encoder config": FileReader(_shapes, _encoder_configs(), "config.json"),
        "safetensors": FileReader(weights.read_file, _tensors(), "model.safetensors"),
        "safetensors index": FileReader(
            lambda path: weights.files(path.parent),
            (b'{"metadata": {"total_size": 1}, "weight_map": {"a": "config.json"}}',),
            "model.safetensors.index.json",
        ),
        "run config": FileReader(
            lambda path: (
                workdir.is_run(path.parent),
                workdir.read_config(path.parent),
            ),
            (_run_config(),),
            "config.json",
        ),
        "study archive": FileReader(
            lambda path: Archive(path, measures=("R@10",)), (_archive(),)
        ),
        "settings": FileReader(layout.read_json, (b'{"query_length": 32, "a": [1]}',)),
    }
