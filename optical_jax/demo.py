"""Go the whole way once, on a world made up for it: `python -m optical_jax.demo`.

An English teacher is trained from random weights; questions in an invented language fail in
it; a student of that language is distilled from parallel sentences alone, by optimal
transport; both are measured, the student is exported, and a report is written.
"""

import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich import console as rich_console
from rich import table as rich_table

from configs import sample_student, sample_teacher
from optical_jax import (
    command,
    convert,
    evaluate,
    heatmap,
    host_memory,
    report,
    train,
)
from optical_jax.config import Config
from optical_jax.data import collection, sample, sample_files
from optical_jax.models import folder
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import record

# A folder of an earlier demo has it, and only such a folder is replaced.
_MARK = "demo.json"
_SHOWN = ("RR@10", "R@1", "R@10", "R@50", "nDCG@10")
_COMMAND = "python -m optical_jax.demo"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the demo works and what it draws from."""

    # Everything that is trained and measured; replaced if an earlier demo left it.
    workdir: Path = Path("work/sample")
    # The page and its figures.
    report: Path = Path("report")
    seed: int = 0
    # Training steps of both; 0: as configured. Fewer train worse.
    steps: int = 0


class _Stages:
    """Announce stages and keep how long each one took."""

    def __init__(self, console: rich_console.Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, text: str) -> Iterator[None]:
        self.console.rule(f"[bold]{len(self.seconds) + 1}. {text}", align="left")
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began

    def summary(self) -> str:
        each = ", ".join(f"{name} {took:.0f} s" for name, took in self.seconds.items())
        return f"{sum(self.seconds.values()):.0f} s in all: {each}"


def run(options: Options, *, console: rich_console.Console) -> record.Evaluation:
    """Run the demo.

    Raises:
        ValueError: where the workdir has content that no demo left there.
    """
    root, stages = _fresh(options.workdir), _Stages(console)
    with stages.stage("sample", "A made-up world: passages, questions, bitext"):
        world = sample.generate(seed=options.seed)
        sample_files.write(world, root / "data")
        sample_files.write_untrained_encoder(
            world, root / "data" / "untrained", seed=options.seed
        )
        _introduce(world, console)
    with stages.stage("teacher", "English teacher, from random weights"):
        config = _placed(sample_teacher.get_config(), options)
        train.run(config)
        _export(Path(config.workdir), root / "teacher")
    with stages.stage("student", "Student of language X, by optimal transport"):
        config = _placed(sample_student.get_config(), options)
        train.run(config)
        _export(Path(config.workdir), root / "student")
    teacher, student = folder.load(root / "teacher"), folder.load(root / "student")
    with stages.stage("evaluation", "Questions in X against English passages"):
        evaluation = evaluate.run(
            collection.load(root / "data" / "collection"),
            queries=["x-test"],
            topline_queries=["en-test"],
            document_encoder=teacher,
            query_encoder=student,
            cache=root / "cache",
            samples=10_000,
            seed=options.seed,
        )
        results = _write_results(root, evaluation, config)
        console.print(_table(evaluation))
    with stages.stage("report", "Export and report"):
        _export(Path(config.workdir), root / "export", results=results)
        page = _report(options.report, root, results, (teacher, student), world)
    console.print(_verdict(evaluation), highlight=False)
    console.print(f"student for PyLate and sentence-transformers: {root / 'export'}")
    console.print(f"report: {page}\n{stages.summary()}", highlight=False)
    return evaluation


def _fresh(root: Path) -> Path:
    """Empty the folder if an earlier demo left it; refuse any other content."""
    if root.exists() and any(root.iterdir()):
        if not (root / _MARK).is_file():
            raise ValueError(
                f"{root} has content that is no earlier demo's; choose another --workdir "
                "or remove it"
            )
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    (root / _MARK).write_text(json.dumps({"command": _COMMAND}) + "\n")
    return root


def _placed(config: Config, options: Options) -> Config:
    """Put a sample config's paths, which are below work/sample, under the workdir."""

    def place(path: str) -> str:
        return path and str(options.workdir / Path(path).relative_to(Options().workdir))

    data = dataclasses.replace(
        config.data,
        root=place(config.data.root),
        exclude=tuple(place(path) for path in config.data.exclude),
        cache_dir=place(config.data.cache_dir),
    )
    steps = options.steps or config.steps
    warmup = min(config.optimizer.warmup_steps, steps // 10)
    return dataclasses.replace(
        config,
        workdir=place(config.workdir),
        seed=options.seed,
        steps=steps,
        teacher=dataclasses.replace(config.teacher, path=place(config.teacher.path)),
        student=dataclasses.replace(config.student, path=place(config.student.path)),
        data=data,
        optimizer=dataclasses.replace(config.optimizer, warmup_steps=warmup),
    )


def _introduce(world: sample.World, console: rich_console.Console) -> None:
    """Show what there is, and one question with the passage that answers it."""
    question = world.questions["test"][0]
    passage = next(p for p in world.passages if p.doc_id == question.doc_ids[0])
    console.print(
        f"{len(world.passages)} passages, {len(world.questions['test'])} test questions, "
        f"{len(world.bitext)} parallel sentences, {len(world.triples)} English training "
        f"questions\n  X        {question.invented}\n  English  {question.english}\n"
        f"  passage  {passage.text}",
        highlight=False,
    )


def _export(run: Path, output: Path, *, results: Path | None = None) -> None:
    """Write the best checkpoint of a run as a folder, read back and compared."""
    convert.convert(convert.Options(input=run, output=output, results=results))


def _write_results(root: Path, evaluation: record.Evaluation, config: Config) -> Path:
    """Write the measures, in the schema of results/."""
    made = record.as_json(
        evaluation,
        name="demo",
        command=_COMMAND,
        config=dataclasses.asdict(config),
    )
    return record.write(root / "evaluation", evaluation, made)


def _report(
    output: Path,
    root: Path,
    results: Path,
    encoders: tuple[Retriever, Retriever],
    world: sample.World,
) -> Path:
    """Write the page: measures, training curves, the plan of one unseen question."""
    asked = world.questions["test"]
    question = next((q for q in asked if q.english.startswith("Which ")), asked[0])
    pair = heatmap.solve(
        *encoders,
        source=question.english,
        target=question.invented,
        config=sample_student.get_config().objective.transport,
    )
    return report.write_report(
        output,
        title="Searching English passages in a language without judgments",
        lead="A made-up world. The student learned language X from parallel sentences "
        "alone; it searches the index of the frozen English teacher.",
        results=results,
        runs={
            name: root / f"{name}_run" / "metrics.jsonl"
            for name in ("teacher", "student")
        },
        plans=[pair],
    )


def _table(evaluation: record.Evaluation) -> rich_table.Table:
    """Make a table of methods by measures that fits into 80 columns."""
    shown = rich_table.Table("method", "queries")
    for name in _SHOWN:
        shown.add_column(name, justify="right")
    for row in evaluation.rows:
        values = (f"{row.measures[name]:.3f}" for name in _SHOWN)
        shown.add_row(row.method, row.queries, *values)
    return shown


def _verdict(evaluation: record.Evaluation) -> str:
    """Say how far the student came, by R@10."""
    found = {row.method: row.measures["R@10"] for row in evaluation.rows}
    topline = max(found["topline"], 1e-9)
    return (
        f"R@10 of the topline (English questions): {topline:.3f}. Questions in X reach "
        f"{found['zero-shot'] / topline:.0%} of it zero-shot and "
        f"{found['student'] / topline:.0%} with the student."
    )


@command.reported
def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    options = tyro.cli(Options, args=argv, prog=_COMMAND, description=__doc__)
    host_memory.keep_freed()
    run(options, console=rich_console.Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
