"""Prepare data once, and show what cleaning dropped.

    python -m optical_jax.prepare bitext --config configs/X.py [--field value ...]
    python -m optical_jax.prepare synthetic --config configs/X.py [--field value ...]
    python -m optical_jax.prepare lexicon --config configs/X.py [--field value ...]
    python -m optical_jax.prepare collection FOLDER --data_dir DIR

The first reads, cleans and keeps the bitext that a config names (training does the same
when it has not been done). The second makes the pairs of `data.synthetic` and shows some of
each source, to be judged before training on them. The third writes the dictionary that the
bitext teaches, a text file. The last keeps a BEIR, MS MARCO or TREC folder as tfds data
sets, which `optical_jax.evaluate` reads like the folder itself.
"""

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rich.box
import rich.console
import rich.markup
import rich.table
import tyro

from optical_jax import command, config_io
from optical_jax.config import Config
from optical_jax.data import (
    bitext,
    bitext_lexicon,
    collection,
    dictionaries,
    synthetic,
)

_PROG = "python -m optical_jax.prepare bitext"
# Made pairs that are shown of each source.
_SHOWN = 12


@dataclass(frozen=True)
class CollectionArguments:
    """Say which collection to prepare."""

    # The collection's folder, as it was published.
    folder: tyro.conf.Positional[Path]
    # Where the directory of the prepared collection is made.
    data_dir: Path = Path("~/.cache/optical_jax")


def prepare_bitext(settings: Config) -> bitext.Bitext:
    """Return the prepared bitext of a config, preparing it unless it is there."""
    data = settings.data
    prepared = bitext.prepare(
        data.sources,
        root=Path(data.root).expanduser(),
        data_dir=Path(data.cache_dir).expanduser(),
        cleaning=data.cleaning,
        validation_fraction=data.validation_fraction,
        seed=data.split_seed,
        excluded_texts=collection.excluded_texts(data.exclude, but=data.exclude_but),
    )
    return dataclasses.replace(prepared, limit=data.pairs)


def prepare_synthetic(
    settings: Config, prepared: bitext.Bitext
) -> bitext.Bitext | None:
    """Return the pairs that a config makes, if any; made unless they are there."""
    data = settings.data
    if not data.synthetic:
        return None
    return synthetic.prepare(
        data.synthetic,
        prepared,
        root=Path(data.root).expanduser(),
        data_dir=Path(data.cache_dir).expanduser(),
        cleaning=data.cleaning,
        excluded_texts=collection.excluded_texts(data.exclude, but=data.exclude_but),
        seed=data.split_seed,
    )


def open_bitext(named: str) -> bitext.Bitext:
    """Return a prepared bitext by what names it in another command.

    Args:
        named: its folder, as printed by this command; or a config file, with overrides as
            on the command line, which is prepared unless it is.
    """
    folder = Path(named).expanduser()
    if folder.is_dir():
        return bitext.Bitext(folder)
    return prepare_bitext(
        config_io.parse(["--config", *shlex.split(named)], prog=_PROG)
    )


def table(report: dict[str, dict[str, int]]) -> rich.table.Table:
    """Return the report of a bitext as a table: a row for each source, and their sum."""
    columns = list(next(iter(report.values())))
    shown = rich.table.Table(box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column("source", no_wrap=True)
    for column in columns:
        heading = "held out" if column == "validation" else column.replace("_", " ")
        shown.add_column(heading, justify="right")
    for name, counts in report.items():
        shown.add_row(name, *(f"{counts[column]:,}" for column in columns))
    shown.add_section()
    sums = [sum(counts[column] for counts in report.values()) for column in columns]
    shown.add_row("all", *(f"{total:,}" for total in sums))
    return shown


def _bitext(argv: Sequence[str], console: rich.console.Console) -> None:
    settings = config_io.parse(argv, prog=_PROG)
    prepared = prepare_bitext(settings)
    console.print(table(prepared.report))
    console.print(f"prepared in {prepared.directory}", soft_wrap=True)


def _synthetic(argv: Sequence[str], console: rich.console.Console) -> None:
    settings = config_io.parse(argv, prog="python -m optical_jax.prepare synthetic")
    made = prepare_synthetic(settings, prepare_bitext(settings))
    if made is None:
        raise ValueError("the config makes no pairs: data.synthetic is empty")
    console.print(table(made.report))
    pairs = made.split("train")
    for origin, indices in made.origins("train").items():
        shown = rich.table.Table(
            "source",
            "target",
            box=rich.box.SIMPLE_HEAD,
            title=origin,
            title_justify="left",
        )
        for i in indices[np.linspace(0, len(indices) - 1, _SHOWN).astype(int)]:
            row = pairs[int(i)]
            shown.add_row(*map(rich.markup.escape, (row["source"], row["target"])))
        console.print(shown)
    console.print(f"prepared in {made.directory}", soft_wrap=True)


def _lexicon(argv: Sequence[str], console: rich.console.Console) -> None:
    settings = config_io.parse(argv, prog="python -m optical_jax.prepare lexicon")
    data_dir = Path(settings.data.cache_dir).expanduser()
    lexicon = bitext_lexicon.BitextLexicon(prepare_bitext(settings), data_dir=data_dir)
    path = lexicon.path(dictionaries.DictionarySource(format="bitext"))
    console.print(f"lexicon in {path}", soft_wrap=True)


def _collection(argv: Sequence[str], console: rich.console.Console) -> None:
    arguments = tyro.cli(
        CollectionArguments,
        args=argv,
        prog="python -m optical_jax.prepare collection",
        config=(tyro.conf.PositionalRequiredArgs,),
    )
    loaded = collection.load(arguments.folder)
    data_dir = arguments.data_dir.expanduser()
    directory = collection.prepare(loaded, data_dir=data_dir)
    shown = rich.table.Table("query set", "queries", "judged")
    for name in loaded.query_sets:
        judged = len(loaded.qrels_of.get(name, {}))
        shown.add_row(name, f"{len(loaded.queries(name)):,}", f"{judged:,}")
    console.print(shown)
    console.print(
        f"{len(loaded.doc_ids):,} documents, prepared in {directory}", soft_wrap=True
    )


_COMMANDS = {
    "bitext": _bitext,
    "synthetic": _synthetic,
    "lexicon": _lexicon,
    "collection": _collection,
}


@command.reported
def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the commands; return the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] not in _COMMANDS:
        errors = rich.console.Console(stderr=True)
        errors.print(rich.markup.escape((__doc__ or "").strip()), highlight=False)
        return 0 if argv[:1] in (["-h"], ["--help"]) else 2
    console = rich.console.Console()
    if not console.is_terminal:
        # A log has no width to fit into; 80 columns would cut the numbers.
        console.width = 120
    _COMMANDS[argv[0]](argv[1:], console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
