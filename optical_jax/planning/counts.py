"""FLOPs of matrix products and bytes of memory traffic in compiled HLO, loops included."""

import re

import numpy as np

from optical_jax.planning.hlo import Instruction, Module

# They move nothing: names for what is there, or parts of an operation counted elsewhere.
_FREE = frozenset(
    {
        "add-dependency",
        "after-all",
        "bitcast",
        "call",
        "conditional",
        "constant",
        "get-tuple-element",
        "iota",
        "opt-barrier",
        "parameter",
        "partition-id",
        "replica-id",
        "tuple",
        "while",
    }
)
_SLICES = ("dynamic-slice", "slice", "gather")


def flops(module: Module) -> float:
    """Return the FLOPs of one device's matrix products; element-wise work is not counted.

    Products of float32 in its full precision count as often as bfloat16 units take them.
    """
    found = (
        runs
        * _product(one, module.computations[name])
        * _passes(one, module.computations[name])
        for name, runs in module.runs.items()
        for one in module.computations[name].values()
        if one.opcode in ("dot", "convolution")
    )
    return float(sum(found))


def bytes_accessed(module: Module) -> float:
    """Return bytes that one device reads from its main memory and writes to it.

    As XLA's cost analysis counts them: operands and results of every operation that is not
    inside of a fusion, slices for what they take. Its small memories are left out.
    """
    found = (
        runs * _traffic(one, module.computations[name], module)
        for name, runs in module.runs.items()
        if name not in module.fused
        for one in module.computations[name].values()
    )
    return float(sum(found))


def _passes(one: Instruction, around: dict[str, Instruction]) -> int:
    """Return in how many bfloat16 products a matrix unit computes one of float32.

    XLA's precisions: highest in 6, high in 3, default in 1.
    """
    asked = re.search(r"operand_precision=\{(\w+),", one.attributes)
    if not asked or not around[one.operands[0]].shape.startswith("f32"):
        return 1
    return {"highest": 6, "high": 3}.get(asked[1], 1)


def _product(one: Instruction, around: dict[str, Instruction]) -> float:
    left, right = (around[o].arrays[0].dims for o in one.operands[:2])
    out = one.arrays[0].dims
    if one.opcode == "dot":
        found = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", one.attributes)
        contracted = [int(n) for n in found[1].split(",") if n] if found else []
        inner = np.prod([left[i] for i in contracted], dtype=float)
        return 2.0 * np.prod(out, dtype=float) * inner
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", one.attributes)
    lhs, rhs, result = labels.groups()
    taps = 1.0
    for label in (c for c in result if c.isdigit()):
        taps *= _taps(
            one.attributes,
            int(label),
            left[lhs.index(label)],
            right[rhs.index(label)],
            out[result.index(label)],
        )
    groups = re.search(r"batch_group_count=(\d+)", one.attributes)
    batch = left[lhs.index("b")] / (int(groups[1]) if groups else 1)
    features = right[rhs.index("i")] * right[rhs.index("o")]
    return 2.0 * batch * features * taps


def _taps(attributes: str, axis: int, left: int, size: int, out: int) -> float:
    """Return how many pairs of output and kernel positions meet an input, on one axis.

    TPUs compute batched products as convolutions whose kernel meets one input each time.
    """
    window = re.search(r"window=\{([^}]*)\}", attributes)
    given = dict(part.split("=", 1) for part in window[1].split()) if window else {}

    def value(name: str, default: str) -> str:
        return given[name].split("x")[axis] if name in given else default

    low = int(value("pad", "0_0").split("_")[0])
    places = (
        np.arange(out)[:, None] * int(value("stride", "1"))
        + np.arange(size) * int(value("rhs_dilate", "1"))
        - low
    )
    dilation = int(value("lhs_dilate", "1"))
    inside = (places >= 0) & (places % dilation == 0) & (places // dilation < left)
    return float(inside.sum())


def _traffic(one: Instruction, around: dict[str, Instruction], module: Module) -> float:
    if one.opcode in _FREE or one.opcode.endswith("-done"):
        return 0.0
    if one.opcode == "fusion":
        return _fusion(one, around, module)
    operands = [around[o] for o in one.operands]
    if one.opcode in _SLICES:
        from_hbm = operands[0].size(hbm_only=True) > 0
        return one.size(hbm_only=True) + from_hbm * one.size()
    if one.opcode == "dynamic-update-slice":
        update = operands[1]
        return (
            update.size(hbm_only=True) + (one.size(hbm_only=True) > 0) * update.size()
        )
    read = sum((o.size(hbm_only=True) for o in operands), 0.0)
    if one.opcode.endswith("-start"):  # its result names its operands again
        return read + max(one.size(hbm_only=True) - read, 0.0)
    return read + one.size(hbm_only=True)


def _fusion(one: Instruction, around: dict[str, Instruction], module: Module) -> float:
    inner = module.computations[next(module.called(one))]
    by_number = {int(p.content): p for p in inner.values() if p.opcode == "parameter"}
    read = written = 0.0
    for number, operand in enumerate(one.operands):
        whole = around[operand].size(hbm_only=True)
        if whole:
            read += min(whole, _read(by_number[number], inner, module))
    root = next(i for i in inner.values() if i.is_root)
    parts = [inner[o] for o in root.operands] if root.opcode == "tuple" else [root]
    for part, array in zip(parts, one.arrays, strict=False):
        made = _behind_bitcasts(part, inner)
        if not array.in_hbm:
            continue
        if made.opcode == "dynamic-update-slice":
            written += inner[made.operands[1]].size()
        else:
            written += array.size
    return read + written


def _read(
    parameter: Instruction, inner: dict[str, Instruction], module: Module
) -> float:
    """Return the bytes of a fusion's parameter that the fusion reads."""
    total = 0.0
    for user in (i for i in inner.values() if parameter.name in i.operands):
        first = user.operands[0] == parameter.name
        if user.opcode == "bitcast":
            total += _read(user, inner, module)
        elif user.opcode in _SLICES and first:
            total += user.size()
        elif user.opcode == "dynamic-update-slice" and first:
            continue  # written in place
        elif user.opcode == "fusion":
            nested = module.computations[next(module.called(user))]
            numbers = [i for i, o in enumerate(user.operands) if o == parameter.name]
            total += sum(
                _read(p, nested, module)
                for p in nested.values()
                if p.opcode == "parameter" and int(p.content) in numbers
            )
        else:
            return parameter.size()
    return min(total, parameter.size())


def _behind_bitcasts(one: Instruction, inner: dict[str, Instruction]) -> Instruction:
    while one.opcode == "bitcast":
        one = inner[one.operands[0]]
    return one
