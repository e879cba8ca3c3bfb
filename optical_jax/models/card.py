"""The model card (README.md) of an exported folder: what it is, made of what, how good.

Only facts that are handed in are stated; a section without facts is left out. Paths of
the machine it was trained on are not published.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optical_jax.models.formats import FORMATS, Name
from optical_jax.models.head import HeadConfig

_OURS = """\
With optical_jax:

```python
from optical_jax.models import folder

retriever = folder.load({name})
```
"""
# Fields of a run's config that say how it was trained and name no path.
_PUBLISHED = (
    ("steps",),
    ("seed",),
    ("dtype",),
    ("data", "batch_size"),
    ("data", "cleaning"),
    ("student", "vocabulary"),
    ("student", "dropout"),
    ("student", "freeze"),
    ("objective",),
    ("optimizer",),
)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a card states beside the head's settings."""

    name: str
    # BCP-47 codes.
    languages: tuple[str, ...] = ()
    license: str | None = None
    # Hub id of the encoder that training started from.
    base_model: str | None = None
    # What the documents of the index are encoded with, if not with this model.
    document_encoder: str | None = None
    # Source -> what became of its pairs: "read" of them, "train" trained on.
    sources: Mapping[str, Mapping[str, int]] | None = None
    # A run's resolved config.
    config: Mapping[str, Any] | None = None
    # Rows {collection, queries, method, seed, measures} of a results file.
    results: Sequence[Mapping[str, Any]] = ()
    # transformers' class that reads the encoder.
    reader: str = "AutoModel"
    # What a user must know beside what every card says.
    limits: tuple[str, ...] = ()


def render(facts: Facts, head: HeadConfig, layout: Name) -> str:
    """Return the card as Markdown with a YAML header."""
    sections = [
        _header(facts, layout),
        f"# {facts.name}\n",
        _summary(facts, head, layout),
        "## Use\n",
        FORMATS[layout].use.format(name=json.dumps(facts.name), reader=facts.reader),
        "" if layout == "encoder" else _OURS.format(name=json.dumps(facts.name)),
        _measures(facts.results),
        _training(facts),
        _limits(facts, head, layout),
    ]
    return "\n".join(section for section in sections if section)


def _header(facts: Facts, layout: Name) -> str:
    lines = ["---"]
    if facts.languages:
        lines += ["language:", *(f"- {json.dumps(code)}" for code in facts.languages)]
    if facts.license:
        lines.append(f"license: {json.dumps(facts.license)}")
    lines.append(f"library_name: {FORMATS[layout].library}")
    if facts.base_model:
        lines.append(f"base_model: {json.dumps(facts.base_model)}")
    lines += ["tags:", "- optical-jax", *(f"- {tag}" for tag in FORMATS[layout].tags)]
    return "\n".join([*lines, "---", ""])


def _summary(facts: Facts, head: HeadConfig, layout: Name) -> str:
    made = "trained" if facts.config else "exported"
    if layout == "encoder":
        return f"A retriever's encoder, {made} with optical_jax.\n"
    several = head.kind == "multi-vector"
    vectors = f"one unit vector a text ({head.pooling} of its tokens)."
    if several:
        vectors = "one unit vector a token, scored by MaxSim."
    lines = [f"A retriever {made} with optical_jax: {vectors}", ""]
    if facts.document_encoder:
        lines += [
            f"It encodes **queries**. Their vectors lie in the space of "
            f"`{facts.document_encoder}`, which encodes the documents: an index made "
            "with that model is searched as it is.",
            "",
        ]
    lines += [
        "| setting | value |",
        "|---|---|",
        f"| tokens of a query, of a document | {head.query_length}, "
        f"{head.document_length} |",
    ]
    if several:
        marker = lambda text: "none" if text is None else f"`{text}`"
        lines += [
            f"| markers | {marker(head.query_marker)}, "
            f"{marker(head.document_marker)} |",
            f"| query expansion | {'yes' if head.expansion else 'no'} |",
            f"| document tokens not scored | {len(head.skiplist) or 'none'} |",
        ]
    lines.append(f"| projection | {head.projection or 'none'} |")
    return "\n".join([*lines, ""])


def _measures(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row["measures"]))
    lines = [
        "## Measures\n",
        "| collection | queries | method | seed | " + " | ".join(names) + " |",
        "|---" * (4 + len(names)) + "|",
    ]
    for row in rows:
        values = [row["measures"].get(name) for name in names]
        cells = [str(row[key]) for key in ("collection", "queries", "method", "seed")]
        cells += ["" if value is None else f"{value:.3f}" for value in values]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _training(facts: Facts) -> str:
    lines = []
    if facts.sources:
        lines += [
            "## Training data\n",
            "| source | pairs | trained on |",
            "|---|---|---|",
        ]
        for name, counts in facts.sources.items():
            read, used = counts.get("read", ""), counts.get("train", "")
            lines.append(f"| {name} | {read} | {used} |")
        lines.append("")
    if facts.config:
        chosen = {".".join(p): _pick(facts.config, p) for p in _PUBLISHED}
        shown = {name: value for name, value in chosen.items() if value is not None}
        lines += ["## Training settings\n", "```json"]
        lines += [json.dumps(shown, indent=2), "```", ""]
    return "\n".join(lines)


def _pick(config: Mapping[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401
    value: Any = config
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def _limits(facts: Facts, head: HeadConfig, layout: Name) -> str:
    lines = ["## Limits\n", *(f"- {limit}" for limit in facts.limits)]
    lines.append(
        "- Texts longer than the lengths above are cut; nothing warns."
        if layout != "encoder"
        else "- It needs a retrieval head to be searched with."
    )
    if layout == "single-vector" and head.query_length != head.document_length:
        lines.append(
            "- sentence-transformers has one length: it cuts queries at "
            f"{max(head.query_length, head.document_length)} tokens, optical_jax at "
            f"{head.query_length}."
        )
    if not facts.results:
        lines.append("- No measures were given for this card.")
    if facts.sources:
        lines.append(
            "- The licences of the training texts are their publishers' and may restrict "
            "what the model may be used for."
        )
    lines.append(
        "- The folder has no pooler; transformers says so at loading, and nothing here "
        "uses one."
    )
    return "\n".join([*lines, ""])
