r"""Convert a retriever into what other libraries open, checked by re-reading it.

    python -m optical_jax.convert --list
    python -m optical_jax.convert --input WORKDIR_OR_DIR --output DIR --format pylate
    python -m optical_jax.convert --input WORKDIR_OR_DIR --output DIR --format plaid \
        --collection BEIR_DIR

The input is a training run, a retriever or encoder folder of any format that is read, or a
hub id; --list says which formats there are and what opens each. `pylate` suits most: it
opens in PyLate 1.6 and in sentence-transformers 6.2. `plaid` encodes a collection (a run's
by its teacher) into an index for fast-plaid and PyLate. Nothing is left at DIR unless what
was written gives the vectors of the input.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import rich.table
import tyro
from rich import console

from optical_jax import command
from optical_jax.data import collection as collection_lib
from optical_jax.data import texts as texts_lib
from optical_jax.models import (
    adapt,
    average,
    card,
    families,
    folder,
    formats,
    hf,
    layout_bge_m3,
    parity,
    stanford_writer,
    trim,
)
from optical_jax.models import (
    retriever as retriever_lib,
)
from optical_jax.models.formats import FORMATS
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import plaid_export
from optical_jax.retrieval.encoder_options import HeadOptions
from optical_jax.retrieval.residual import Bits
from optical_jax.retrieval.searcher import Stages
from optical_jax.training import card_facts, workdir

_PROGRAM = "python -m optical_jax.convert"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to convert into what."""

    # Show the encoder families and formats that are read and written, and stop.
    list: bool = False
    # A training run's folder, a retriever or encoder folder, or a hub id.
    input: Path | None = None
    # A folder that does not exist yet, or is empty.
    output: Path | None = None
    # What is to open the folder.
    format: formats.Name = "pylate"
    # For a plain encoder, which has none, or in place of what the folder says.
    head: HeadOptions = HeadOptions()
    # Further runs or folders whose parameters are averaged with the input's: students of one
    # start, trained with other seeds or objectives (model soups, arXiv 2203.05482).
    average: tuple[Path, ...] = ()
    # Drop the embedding rows of pieces that these never use: files with a text a line or
    # JSON lines (.jsonl) with "text", collections' folders. Texts made of the pieces that
    # stay keep their vectors, bit for bit.
    trim_vocabulary: tuple[Path, ...] = ()
    # The documents of an index, a folder in BEIR, MS MARCO or TREC layout ("plaid").
    collection: Path | None = None
    # Bits of each number of a compressed vector ("plaid").
    nbits: Bits = 4
    # Whether documents of the BEIR layout start with their titles ("plaid").
    titles: bool = True
    # Encoded collections ("plaid").
    cache: Path = Path("~/.cache/optical_jax")
    # Texts encoded at once ("plaid").
    batch_size: int = 64
    # A results file whose rows the card shows.
    results: Path | None = None
    # SPDX name; the card states none if none is given.
    license: str | None = None
    # BCP-47 codes for the card; default: those of the run's bitext.
    languages: tuple[str, ...] = ()
    # Title of the card; default: the output folder's name.
    name: str | None = None

    def __post_init__(self) -> None:
        """Check what belongs together."""
        if self.list:
            return
        if self.input is None or self.output is None:
            raise ValueError(
                "--input and --output must name what to convert and where to; --list shows "
                "what can be read and written"
            )
        if (self.format == "plaid") != (self.collection is not None):
            raise ValueError(
                "--collection names the documents of an index, and goes with --format "
                f"plaid, got --format {self.format} and --collection {self.collection}"
            )
        if self.format == "plaid" and self.average:
            raise ValueError(
                "--average makes an encoder, and an index holds none; convert the encoders "
                "first, then give the mean as --input"
            )
        if self.format == "plaid" and self.trim_vocabulary:
            raise ValueError(
                "--trim_vocabulary makes a smaller encoder, and an index holds none; "
                "convert the encoder first, then give it as --input"
            )


@command.reported
def main(argv: Sequence[str] | None = None) -> int:
    """Convert, say what was written; return the exit status."""
    out = console.Console()
    options = tyro.cli(Options, args=argv, prog=_PROGRAM, description=__doc__)
    if options.list:
        out.print(*tables())
        return 0
    say = lambda text: out.print(text, markup=False, soft_wrap=True)
    if options.format == "plaid":
        command.set_up(options.cache)
        with command.live(out) as told:
            report = write_index(options, progress=told)
        say(f"wrote {options.output} (plaid). {report.text()}")
        return 0
    difference = convert(options, say=say)
    say(
        f"wrote {options.output} ({options.format}; {FORMATS[options.format].opens}); read "
        f"back, {len(parity.SAMPLES)} queries and documents differ by {difference:.1g} at "
        "most"
    )
    if options.license is None:
        say("the card states no licence; --license NAME does")
    return 0


def convert(options: Options, *, say: Callable[[str], None] = lambda _: None) -> float:
    """Write the folder and return the largest difference found on reading it back.

    Raises:
        FileNotFoundError: if the input holds no retriever.
        ValueError: if the format cannot hold it, the output exists, or what was written
            gives other vectors; nothing is then left at the output.
    """
    retriever = _load(options, options.input)
    if options.average:
        others = (_load(options, path) for path in options.average)
        retriever = average.average(retriever, others)
        say(f"the mean of {1 + len(options.average)} encoders' parameters")
    if options.trim_vocabulary:
        retriever = _trim(retriever, options.trim_vocabulary, say)
    adapted, limits = adapt.adapt(retriever, options.format)
    for limit in limits:
        say(f"note: {limit}")
    text = card.render(_facts(options, limits, adapted), adapted.head, options.format)
    with folder.staged(options.output) as staging:
        if options.format in ("encoder", "stanford"):
            folder.write_encoder(adapted, staging)
            (staging / "README.md").write_text(text, encoding="utf-8")
            if options.format == "encoder":
                return parity.compare(adapted, folder.load(staging, head=adapted.head))
            stanford_writer.write(adapted, staging)
        else:
            newer = options.format == "sentence-transformers-6"
            folder.save(adapted, staging, card=text, newer=newer)
        return parity.compare(adapted, folder.load(staging))


def write_index(
    options: Options, *, progress: Stages | None = None
) -> plaid_export.Report:
    """Write a PLAID index of the collection; a run's teacher encodes its documents.

    Raises:
        FileNotFoundError: if the input holds no retriever, or there is no collection.
        ValueError: if an index cannot hold its vectors, or the output exists.
    """
    collection = collection_lib.load(
        options.collection.expanduser(), titles=options.titles
    )
    encoder, query_encoder = _load(options, options.input), None
    if workdir.is_run(options.input):
        query_encoder = encoder
        encoder = workdir.load_teacher(workdir.read_config(options.input))
    return plaid_export.export(
        collection,
        options.output,
        document_encoder=encoder,
        query_encoder=query_encoder,
        bits=options.nbits,
        cache=options.cache,
        batch_size=options.batch_size,
        progress=progress,
    )


def tables() -> tuple[rich.table.Table, rich.table.Table]:
    """Return what is read and written: encoder families, and formats."""
    encoders = rich.table.Table("model_type of config.json", "architecture written")
    encoders.title = "Encoder families, read and written"
    for name, family in families.FAMILIES.items():
        encoders.add_row(name, family.architecture)
    known = rich.table.Table("format", "read", "written", "what it is", "opened by")
    known.title = "Formats"
    for name, each in FORMATS.items():
        marks = ("yes" if done else "no" for done in (each.read, each.written))
        known.add_row(name, *marks, each.contents, each.opens)
    return encoders, known


def _load(options: Options, path: Path) -> Retriever:
    head = options.head.resolve()
    if workdir.is_run(path):
        if head is not None:
            raise ValueError(
                "a training run knows the head of its student, got --head beside it; leave "
                "it out"
            )
        return workdir.load_student(path)
    if head is None and options.format not in ("encoder", "single-vector"):
        # Its folder would pass for one of single vectors.
        layout_bge_m3.refuse_pickle(hf.resolve(path))
    try:
        return folder.load(path, head=head)
    except FileNotFoundError as error:
        if head is None and "pass a head" in str(error):
            raise FileNotFoundError(
                f"{error}: --head.kind multi-vector, or any other --head option"
            ) from error
        raise


def _facts(
    options: Options, limits: tuple[str, ...], retriever: Retriever
) -> card.Facts:
    architecture = families.of(retriever.encoder).architecture
    results = []
    if options.results is not None:
        results = card_facts.read_json(options.results)["rows"]
    facts = card.Facts(
        name=options.name or options.output.name,
        languages=options.languages,
        license=options.license,
        results=results,
        limits=limits,
        # AutoModel would put a random decoder on the encoder of a T5.
        reader=architecture if architecture.endswith("EncoderModel") else "AutoModel",
    )
    if workdir.is_run(options.input):
        return card_facts.of_run(facts, options.input)
    return facts


def _trim(
    retriever: Retriever, paths: tuple[Path, ...], say: Callable[[str], None]
) -> Retriever:
    smaller = trim.apply(retriever, (text for path in paths for text in _texts(path)))
    rows = [r.encoder.vocab_size for r in (retriever, smaller)]
    sizes = [retriever_lib.count(r.params) / 1e6 for r in (retriever, smaller)]
    say(
        f"vocabulary: {rows[1]} of {rows[0]} rows kept; {sizes[0]:.1f} M parameters became "
        f"{sizes[1]:.1f} M"
    )
    return smaller


def _texts(path: Path) -> Iterator[str]:
    """Yield the texts of a file of lines or JSON lines, or of a collection."""
    if path.is_dir():
        yield from collection_lib.load(path).texts()
        return
    is_json = ".jsonl" in path.suffixes
    source = texts_lib.TextSource(
        path=path.name, format="jsonl" if is_json else "lines", titles=is_json
    )
    yield from texts_lib.stream(source, root=path.parent)


if __name__ == "__main__":
    sys.exit(main())
