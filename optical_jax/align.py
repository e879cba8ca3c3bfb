r"""Measure how well a student's sentences and words lie on their translations.

    python -m optical_jax.align --workdir W
    python -m optical_jax.align --workdir W --source FILE --target FILE [--links GOLD]
    python -m optical_jax.align --query_encoder DIR --document_encoder DIR --source ...

Bitext retrieval, both ways: does a sentence find its translation among all of them? By
MaxSim, by cosine of mean vectors, by CSLS. Word links: precision, recall and alignment
error of what the transport plan links, against gold links, or, where there are none,
against a statistical aligner's (IBM model 1, both ways) of the same bitext. Without files,
the run's held-out pairs are measured. No relevance judgments are needed.
"""

import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rich.console
import tyro

from optical_jax import command, prepare
from optical_jax.data import links, sources, textfile
from optical_jax.data.bitext import Bitext
from optical_jax.data.links import GoldLinks
from optical_jax.data.sources import BitextSource, Pair
from optical_jax.retrieval import alignment_quality, record
from optical_jax.retrieval.alignment_quality import Alignment
from optical_jax.retrieval.encoder_options import EncoderOptions
from optical_jax.training import validation
from optical_jax.training import workdir as workdir_lib


@dataclass(frozen=True, kw_only=True)
class Options(EncoderOptions):
    """The command's options."""

    # A prepared folder, or a config file and its overrides in quotes: its held-out pairs are
    # measured, its training pairs teach the aligner; None: the workdir's.
    bitext: str | None = None
    # Parallel sentences to measure in place of the held-out ones, one a line: in the
    # teacher's language, and in the student's.
    source: Path | None = None
    target: Path | None = None
    # Gold links of these, a line a pair: "0-0 1-2 3?3", words as blanks divide them, the
    # source's first; "?" marks those that are only possible.
    links: Path | None = None
    # Pairs measured, at most.
    pairs: int = 1000
    # Of the transport between two sentences; None: as the run was trained.
    epsilon: float | None = None
    # Share of their mass that two tokens must exchange to be linked ("transport, share").
    threshold: float = 0.3
    # Where NAME.json is written; None: WORKDIR/evaluation, or nothing is.
    output: Path | None = None
    name: str = "alignment"
    # Compiled programs.
    cache: Path = Path("~/.cache/optical_jax")

    def __post_init__(self) -> None:
        """Check that the options name pairs to measure."""
        if (self.source is None) != (self.target is None):
            raise ValueError("source and target must be named both, got one of them")
        if self.source is None and self.bitext is None and self.workdir is None:
            raise ValueError(
                "pairs to measure must come from source and target, a bitext or a "
                "workdir, got none of them"
            )
        if self.links is not None and self.source is None:
            raise ValueError(
                "links are those of source and target, which are not named"
            )
        if self.pairs < 1 or not 0 < self.threshold < 1:
            raise ValueError(
                f"pairs must be at least 1 and threshold in (0, 1), got {self.pairs} and "
                f"{self.threshold}"
            )


def load(options: Options) -> tuple[list[Pair], list[Pair], list[GoldLinks] | None]:
    """Return the pairs to measure, those to train the aligner on, and gold links.

    Raises:
        ValueError: if there are no pairs, or a gold file is of other ones.
    """
    bitext: Bitext | None = None
    if options.bitext is not None:
        bitext = prepare.open_bitext(options.bitext)
    elif options.workdir is not None:
        config = workdir_lib.read_config(options.workdir)
        if config.data.sources:
            bitext = prepare.prepare_bitext(config)
    training = bitext.pairs("train") if bitext else []
    if options.source is None:
        if bitext is None:
            raise ValueError(
                f"{options.workdir} was trained without bitext; name source and target"
            )
        pairs = bitext.pairs("validation")
    else:
        files = BitextSource(
            name="pairs",
            format="moses",
            source=str(options.source.expanduser().absolute()),
            target=str(options.target.expanduser().absolute()),
        )
        pairs = sources.read(files, root=Path())
    gold = links.read_pharaoh(options.links.expanduser()) if options.links else None
    if gold is not None and len(gold) != len(pairs):
        raise ValueError(
            f"{options.links} must have a line for each of {len(pairs)} pairs, got "
            f"{len(gold)}"
        )
    drawn = validation.draw(len(pairs), options.pairs)
    kept = [pairs[i] for i in drawn]
    return kept, training, None if gold is None else [gold[i] for i in drawn]


def _align(options: Options, line: str, console: rich.console.Console) -> None:
    began = time.monotonic()
    pairs, training, gold = load(options)
    teacher, student = options.load_encoders()
    epsilon, seed, output = options.epsilon, 0, options.output
    if options.workdir is not None:
        config = workdir_lib.read_config(options.workdir)
        epsilon = epsilon or config.objective.transport.epsilon
        seed, output = config.seed, output or options.workdir / "evaluation"
    found = alignment_quality.measure(
        student or teacher,
        teacher,
        pairs,
        training=training,
        gold=gold,
        epsilon=epsilon or 0.05,
        threshold=options.threshold,
    )
    for table in alignment_quality.tables(found):
        console.print(table)
    if output is not None:
        content = _record(found, options, line, seed, time.monotonic() - began)
        output.mkdir(parents=True, exist_ok=True)
        path = output / f"{options.name}.json"
        textfile.write(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        console.print(f"written: {path}", soft_wrap=True)


def _record(
    found: Alignment, options: Options, line: str, seed: int, seconds: float
) -> dict[str, Any]:
    config = json.loads(json.dumps(dataclasses.asdict(options), default=str))
    return {
        **record.header(name=options.name, command=line, config=config),
        "seconds": round(seconds, 1),
        "rows": [
            {
                "collection": f"{found.sentences} pairs",
                "queries": direction,
                "method": scores,
                "seed": seed,
                "measures": measures,
            }
            for (direction, scores), measures in found.retrieval.items()
        ],
        "words": {
            "judged_by": found.judged_by,
            "pairs": found.pairs,
            **{name: dataclasses.asdict(score) for name, score in found.words.items()},
        },
    }


@command.reported
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    line = shlex.join(["python", "-m", "optical_jax.align", *argv])
    options = tyro.cli(
        Options, args=argv, prog="python -m optical_jax.align", description=__doc__
    )
    command.set_up(options.cache)
    width = None if sys.stdout.isatty() else 120
    _align(options, line, rich.console.Console(width=width))
    return 0


if __name__ == "__main__":
    sys.exit(main())
