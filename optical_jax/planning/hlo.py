"""Compiled HLO as text: its computations, and how often each is run in a step.

XLA's own cost analysis counts the body of a loop once. Here a loop's trips are read from
what XLA notes beside it, or else from its condition and the values it starts with.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_BYTES = {"pred": 1.0, "bf16": 2.0, "token": 0.0, "opaque": 0.0}
_ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,<=]*)\](\{[^{}]*\})?")
_NAME = re.compile(r"%([\w.\-]+)")
_CALLED = re.compile(r"(?:calls|(?:true|false)_computation)=%?([\w.\-]+)")
_APPLIED = re.compile(r"to_apply=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'known_trip_count":\{"n":"(\d+)"')


@dataclass(frozen=True)
class Array:
    """An array of a shape: dimensions, bytes, and whether it lies in main memory."""

    dims: tuple[int, ...]
    size: float
    in_hbm: bool


@dataclass(frozen=True)
class Instruction:
    """One line: a name, a result, an operation on operands, and its attributes."""

    name: str
    shape: str
    opcode: str
    operands: tuple[str, ...]
    # What stands between the parentheses: a constant's value, a parameter's number.
    content: str
    attributes: str
    is_root: bool

    @functools.cached_property
    def arrays(self) -> list[Array]:
        """The arrays of the result, several if it is a tuple."""
        return arrays(self.shape)

    def size(self, *, hbm_only: bool = False) -> float:
        """Return the bytes of the result."""
        return sum((a.size for a in self.arrays if a.in_hbm or not hbm_only), 0.0)

    def index(self) -> int:
        """Return the number of a get-tuple-element."""
        return int(re.search(r"index=(\d+)", self.attributes)[1])


@dataclass(frozen=True)
class Module:
    """Computations by name, each its instructions by name."""

    computations: dict[str, dict[str, Instruction]]
    entry: str
    unknown_loops: list[str] = field(default_factory=list)

    @functools.cached_property
    def runs(self) -> dict[str, int]:
        """How often each computation is run; loops whose trips are unknown count once."""
        found: dict[str, int] = {}
        self._walk(self.entry, 1, found)
        return found

    @functools.cached_property
    def fused(self) -> set[str]:
        """Computations inside of a fusion, whose values never reach memory."""
        return {
            called
            for body in self.computations.values()
            for one in body.values()
            if one.opcode == "fusion"
            for called in _CALLED.findall(one.attributes)
        }

    def _walk(self, name: str, times: int, found: dict[str, int]) -> None:
        found[name] = found.get(name, 0) + times
        for one in self.computations[name].values():
            if one.opcode == "while":
                body = _of_loop("body", one)
                trips = self._trips(one, self.computations[name])
                if trips is None:
                    self.unknown_loops.append(one.name)
                self._walk(body, times * (1 if trips is None else trips), found)
            else:
                for called in self.called(one):
                    self._walk(called, times, found)

    def called(self, one: Instruction) -> Iterator[str]:
        """Yield the computations that an instruction runs, but for loops."""
        yield from _CALLED.findall(one.attributes)
        if one.opcode == "call":  # of a reduction it is what adds two numbers
            yield from _APPLIED.findall(one.attributes)
        for branches in _BRANCHES.findall(one.attributes):
            yield from _NAME.findall(branches)

    def _trips(self, loop: Instruction, around: dict[str, Instruction]) -> int | None:
        noted = _TRIPS.search(loop.attributes)
        if noted:
            return int(noted[1])
        condition = self.computations[_of_loop("condition", loop)]
        root, operands = self._opened(_root(condition), condition)
        direction = re.search(r"direction=(\w+)", root.attributes)
        if root.opcode != "compare" or not direction or len(operands) != 2:
            return None
        first, bound = (self._number(o, condition, loop, around) for o in operands)
        if first is None or bound is None or direction[1] not in ("LT", "LE", "NE"):
            return None
        step = self._step(loop, _behind_copies(operands[0], condition))
        if not step:
            return None
        # Loops of products that wait for the network take two turns at once.
        return max(-(-(bound - first + (direction[1] == "LE")) // step), 0)

    def _opened(
        self, one: Instruction, around: dict[str, Instruction]
    ) -> tuple[Instruction, list[Instruction]]:
        """Return what an instruction computes, of which operands, behind a fusion too."""
        operands = [around[operand] for operand in one.operands]
        if one.opcode != "fusion":
            return one, operands
        inner = self.computations[next(self.called(one))]
        root = _root(inner)
        return root, [
            operands[int(inner[o].content)]
            if inner[o].opcode == "parameter"
            else inner[o]
            for o in root.operands
        ]

    def _step(self, loop: Instruction, variable: Instruction) -> int | None:
        """Return what a turn of a loop adds to its variable; None if that is not told."""
        body = self.computations[_of_loop("body", loop)]
        root = _root(body)
        if root.opcode != "tuple" or variable.opcode != "get-tuple-element":
            return None
        added = _behind_copies(body[root.operands[variable.index()]], body)
        added, operands = self._opened(added, body)
        operands = [_behind_copies(o, body) if o.name in body else o for o in operands]
        steps = [o.content for o in operands if o.opcode == "constant"]
        same = [o for o in operands if o.opcode == "get-tuple-element"]
        if added.opcode != "add" or not steps or not same:
            return None
        return int(steps[0]) if same[0].index() == variable.index() else None

    def _number(
        self,
        one: Instruction,
        condition: dict[str, Instruction],
        loop: Instruction,
        around: dict[str, Instruction],
    ) -> int | None:
        """Return a constant, or what a loop's variable starts with."""
        one = _behind_copies(one, condition)
        if one.opcode == "get-tuple-element":
            start = _behind_copies(around[loop.operands[0]], around)
            if start.opcode != "tuple":
                return None
            one = _behind_copies(around[start.operands[one.index()]], around)
        if one.opcode != "constant" or not re.fullmatch(r"-?\d+", one.content):
            return None
        return int(one.content)


def _of_loop(part: str, loop: Instruction) -> str:
    """Return the computation that is a loop's "body" or "condition"."""
    return re.search(rf"{part}=%?([\w.\-]+)", loop.attributes)[1]


def _root(computation: dict[str, Instruction]) -> Instruction:
    return next(one for one in computation.values() if one.is_root)


def parse(text: str) -> Module:
    """Read `compiled.as_text()`."""
    computations: dict[str, dict[str, Instruction]] = {}
    entry, body = "", None
    for line in text.splitlines():
        if line.endswith("{") and "->" in line and not line.startswith(" "):
            is_entry = line.startswith("ENTRY")
            name = line.removeprefix("ENTRY ").split(" ", 1)[0].lstrip("%")
            body = computations.setdefault(name, {})
            entry = name if is_entry else entry
        elif line.startswith("}"):
            body = None
        elif body is not None and " = " in line:
            one = _instruction(line.strip())
            body[one.name] = one
    if not entry:
        raise ValueError(f"this is no compiled HLO: no ENTRY in {text[:80]!r}")
    return Module(computations, entry)


def arrays(shape: str) -> list[Array]:
    """Return the arrays of a shape as HLO writes it."""
    found = []
    for kind, dims, layout in _ARRAY.findall(shape):
        sizes = tuple(int(n.lstrip("<=")) for n in dims.split(",") if n)
        size = _width(kind)
        for n in sizes:
            size *= n
        # S(1) and above are the chip's own small memories, and the host's.
        space = re.search(r"S\((\d+)\)", layout)
        found.append(Array(sizes, size, space is None or space[1] == "0"))
    return found


def _width(kind: str) -> float:
    if kind in _BYTES:
        return _BYTES[kind]
    bits = re.search(r"\d+", kind)
    return int(bits[0]) / 8 if bits else 0.0


def _instruction(line: str) -> Instruction:
    is_root = line.startswith("ROOT ")
    name, _, rest = line.removeprefix("ROOT ").partition(" = ")
    end = _closing(rest) + 1 if rest.startswith("(") else rest.index(" ")
    shape, rest = rest[:end], rest[end:].strip()
    opcode = rest[: rest.index("(")]
    rest = rest[len(opcode) :]
    end = _closing(rest)
    content = rest[1:end]
    operands = () if opcode == "constant" else tuple(_NAME.findall(content))
    return Instruction(
        name.lstrip("%"), shape, opcode, operands, content, rest[end + 1 :], is_root
    )


def _closing(text: str) -> int:
    """Return where the parenthesis that text starts with is closed."""
    depth = 0
    for found in re.finditer(r"[()]", text):
        depth += 1 if found[0] == "(" else -1
        if depth == 0:
            return found.start()
    raise ValueError(f"a parenthesis is not closed in {text[:80]!r}")


def _behind_copies(
    one: Instruction, computation: dict[str, Instruction]
) -> Instruction:
    while one.opcode in ("copy", "bitcast", "convert"):
        one = computation[one.operands[0]]
    return one
