"""Export a student or any retriever folder for other libraries, checked by re-reading it.

    python -m optical_jax.convert --input WORKDIR_OR_DIR --output DIR --format pylate

`pylate` opens in PyLate 1.6 and in sentence-transformers 6.2, `single-vector` in every
sentence-transformers, `encoder` in transformers. Nothing is left at DIR unless what was
written gives the vectors of the input.
"""

import dataclasses
import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from flax import nnx
from jaxtyping import Array, Bool, Float, Int
from rich import console

from optical_jax import command
from optical_jax.config import Config
from optical_jax.data import tokenize
from optical_jax.models import card, folder
from optical_jax.models import retriever as retriever_lib
from optical_jax.models.retriever import Retriever
from optical_jax.training import workdir

# One sentence a script, what tokenizers stumble over, and one text longer than any head.
SAMPLES = (
    "Who wrote the first book of this library?",
    "Nani aliandika kitabu cha kwanza cha maktaba hii?",
    "Ta ni ó kọ ìwé àkọ́kọ́ ti ilé ìkàwé yìí?",
    "इस पुस्तकालय की पहली किताब किसने लिखी?",
    "የዚህ ቤተ መጻሕፍት የመጀመሪያ መጽሐፍ ማን ጻፈ?",
    "من كتب أول كتاب في هذه المكتبة؟",
    "ใครเขียนหนังสือเล่มแรกของห้องสมุดนี้",
    "这个图书馆的第一本书是谁写的?",
    "  [MASK] [CLS] [Q] 1984 — 3.5%, don't! 😀\n",
    "",
    "kitabu " * 600,
)
_PROGRAM = "python -m optical_jax.convert"
# Reading back what was written is exact; this leaves room for another order of sums.
TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to convert into what."""

    # A training run's folder, or a retriever or encoder folder.
    input: Path
    # A folder that does not exist yet, or is empty.
    output: Path
    # What is to open the folder.
    format: card.Layout = "pylate"
    # A results file whose rows the card shows.
    results: Path | None = None
    # SPDX name; the card states none if none is given.
    license: str | None = None
    # BCP-47 codes for the card; default: those of the run's bitext.
    languages: tuple[str, ...] = ()
    # Title of the card; default: the output folder's name.
    name: str | None = None


@command.reported
def main(argv: Sequence[str] | None = None) -> int:
    """Convert, say what was written; return the exit status."""
    options = tyro.cli(Options, args=argv, prog=_PROGRAM, description=__doc__)
    out = console.Console()
    difference = convert(options)
    out.print(
        f"wrote {options.output} ({options.format}); read back, {len(SAMPLES)} queries and "
        f"documents differ by {difference:.1g} at most",
        markup=False,
    )
    if options.license is None:
        out.print("the card states no licence; --license NAME does", markup=False)
    return 0


def convert(options: Options) -> float:
    """Write the folder and return the largest difference found on reading it back.

    Raises:
        FileNotFoundError: if the input holds no retriever.
        ValueError: if the format cannot hold it, the output exists, or what was written
            gives other vectors; nothing is then left at the output.
    """
    is_run = workdir.is_run(options.input)
    retriever = (workdir.load_student if is_run else folder.load)(options.input)
    adapted, limits = adapt(retriever, options.format)
    facts = _facts(
        options, limits, workdir.read_config(options.input) if is_run else None
    )
    text = card.render(facts, adapted.head, options.format)
    with folder.staged(options.output) as staging:
        if options.format == "encoder":
            folder.write_encoder(adapted, staging)
            (staging / "README.md").write_text(text, encoding="utf-8")
            return compare(adapted, folder.load(staging, head=adapted.head))
        folder.save(adapted, staging, card=text)
        return compare(adapted, folder.load(staging))


def adapt(
    retriever: Retriever, layout: card.Layout
) -> tuple[Retriever, tuple[str, ...]]:
    """Return the retriever as the layout holds it, and what that costs, for the card.

    Raises:
        ValueError: if something that vectors depend on would be lost.
    """
    head = retriever.head
    if layout == "encoder":
        if head.projection is not None:
            raise ValueError(
                "an encoder folder cannot hold a projection, got head.projection="
                f"{head.projection}; use --format pylate"
            )
        return retriever, ()
    kind = "multi-vector" if layout == "pylate" else "single-vector"
    if head.kind == kind:
        return retriever, _reading_limits(retriever)
    if head.projection is not None:
        raise ValueError(
            f"a projection trained for {head.kind} vectors does not fit {layout}, got "
            f"head.projection={head.projection}; use the format of its own kind"
        )
    head = dataclasses.replace(
        head, kind=kind, expansion=False, attend_to_expansion=False, skiplist=()
    )
    text = tokenize.TextEncoder(
        retriever.text.tokenizer, head, special=retriever.text.special
    )
    limit = (
        f"The encoder was trained or published for {retriever.head.kind} retrieval; its "
        f"use with {kind} vectors was not trained."
    )
    return dataclasses.replace(retriever, head=head, text=text), (limit,)


def _reading_limits(retriever: Retriever) -> tuple[str, ...]:
    """Return where readers of the layout disagree with each other."""
    head = retriever.head
    marked = head.query_marker or head.document_marker
    if not marked or tokenize.ends(retriever.text.tokenizer)[0]:
        return ()
    return (
        "The tokenizer puts nothing before a text, and the marker comes first; "
        "sentence-transformers 6 reads the folder so, PyLate 1.6 puts the marker behind "
        "the first token and gets other vectors.",
    )


def compare(wanted: Retriever, found: Retriever) -> float:
    """Return the largest difference of the two retrievers' vectors of SAMPLES.

    Raises:
        ValueError: if a text is split into other tokens, scored in other places, or its
            vectors differ by more than TOLERANCE.
    """
    rows = [_rows(retriever) for retriever in (wanted, found)]
    for i, (ours, theirs) in enumerate(zip(*rows, strict=True)):
        if not all(map(np.array_equal, ours, theirs)):
            text = SAMPLES[i % len(SAMPLES)][:40]
            raise ValueError(
                f"the folder written reads {text!r} as other tokens than its source; "
                "nothing was kept: report the tokenizer as a bug"
            )
    vectors = [_vectors(r, x) for r, x in zip((wanted, found), rows, strict=True)]
    difference = float(np.abs(vectors[0] - vectors[1]).max())
    # Not `>`: a NaN must fail too.
    if not difference <= TOLERANCE:
        raise ValueError(
            f"vectors of the folder written must be within {TOLERANCE} of its source's, "
            f"got {difference}; nothing was kept"
        )
    return difference


def _rows(retriever: Retriever) -> list[tokenize.Encoded]:
    text = retriever.text
    return [*text.queries(SAMPLES), *text.documents(SAMPLES)]


@functools.partial(jax.jit, static_argnames="graph")
def _encode(
    params: nnx.State,
    ids: Int[Array, "b l"],
    mask: Bool[Array, "b l"],
    *,
    graph: nnx.GraphDef,
) -> Float[Array, "b t p"]:
    return nnx.merge(graph, params)(ids, mask)


def _vectors(retriever: Retriever, rows: list[tokenize.Encoded]) -> np.ndarray:
    length = max(len(row.ids) for row in rows)
    batch = tokenize.pad(rows, length, pad_id=retriever.text.pad_id)
    # Without the skip list, which the model does not see, both sides compile as one.
    head = dataclasses.replace(retriever.head, skiplist=())
    graph = retriever_lib.graphdef(retriever.encoder, head, dtype=retriever.dtype)
    ids, mask = jnp.asarray(batch["ids"]), jnp.asarray(batch["mask"])
    out = np.asarray(_encode(retriever.params, ids, mask, graph=graph))
    return out if retriever.head.kind == "single-vector" else out[batch["scored"]]


def _facts(
    options: Options, limits: tuple[str, ...], config: Config | None
) -> card.Facts:
    results = []
    if options.results is not None:
        results = _json(options.results)["rows"]
    facts = card.Facts(
        name=options.name or options.output.name,
        languages=options.languages,
        license=options.license,
        results=results,
        limits=limits,
    )
    if config is None:
        return facts
    listed = {source.name: {} for source in config.data.sources}
    counted = options.input / "data.json"
    spoken = {source.target_language for source in config.data.sources} - {""}
    return dataclasses.replace(
        facts,
        languages=options.languages or tuple(sorted(spoken)),
        base_model=_hub_id(config.student.path or config.teacher.path),
        document_encoder=_published(config.teacher.path),
        sources=_json(counted) if counted.is_file() else listed,
        config=dataclasses.asdict(config) | {"objective": config.objective.used()},
    )


def _json(path: Path) -> Any:  # noqa: ANN401
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error


def _hub_id(path: str) -> str | None:
    is_id = path.count("/") == 1 and path[0] not in "./~" and not Path(path).exists()
    return path if is_id else None


def _published(path: str) -> str | None:
    """Name an encoder without giving away a folder of this machine."""
    return _hub_id(path) or (Path(path).name or None)


if __name__ == "__main__":
    sys.exit(main())
