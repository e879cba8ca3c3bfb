"""What the compiler says of a program that it compiles ahead of time."""

import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from optical_jax.planning import collectives, counts, hlo, jaxprs
from optical_jax.planning.collectives import Collective

_SHORT_OF_MEMORY = re.compile(r"([\d.]+)([KMGT])[^\d.]*exceeds[^\d.]*([\d.]+)([KMGT])")
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, kw_only=True)
class Program:
    """What the compiler says of one program, for one device; sizes in bytes.

    Attributes:
        name: "train", "encode" or "search".
        examples: pairs or texts that all devices work through in one run of it.
        arguments: parameters, optimizer state and batch.
        held: what lies in memory beside, for other programs of the run.
        temporaries: what it needs while it runs; all that it needs, where it does not fit.
        outputs: results that do not take an argument's place.
        code: the program itself.
        refused: the compiler's message if the program does not fit.
        flops: of matrix products it executes, loops and recomputation included.
        model_flops: of matrix products the model needs, recomputation left out.
        bytes_accessed: traffic with the main memory.
        collectives: what goes over the network.
        unknown_loops: loops whose trips could not be told, which are counted once.
        seconds: it took to compile.
    """

    name: str
    examples: int
    arguments: float = 0.0
    held: float = 0.0
    temporaries: float = 0.0
    outputs: float = 0.0
    code: float = 0.0
    refused: str = ""
    flops: float = 0.0
    model_flops: float = 0.0
    bytes_accessed: float = 0.0
    collectives: tuple[Collective, ...] = ()
    unknown_loops: int = 0
    seconds: float = 0.0

    @property
    def memory(self) -> float:
        """Bytes of a device's memory in all."""
        parts = (self.arguments, self.held, self.temporaries, self.outputs, self.code)
        return sum(parts, 0.0)

    @property
    def sent(self) -> float:
        """Bytes that a device sends in one run."""
        return sum((one.sent for one in self.collectives), 0.0)


def compiled(
    name: str,
    trace: Callable[[], Any],
    mesh: Mesh,
    *,
    examples: int,
    held: float = 0.0,
    model_flops: float | None = None,
) -> Program:
    """Compile a program, and return what the compiler says of it for one device.

    Args:
        name: see `Program`.
        trace: traces the jitted function with shapes that say where they lie.
        mesh: of the devices that run it.
        examples: see `Program`.
        held: see `Program`.
        model_flops: see `Program`; None: those of the traced program.
    """
    began = time.perf_counter()
    traced = trace()
    if model_flops is None:
        model_flops = jaxprs.flops(traced.jaxpr) / mesh.size
    known = {
        "name": name,
        "examples": examples,
        "held": held,
        "model_flops": model_flops,
    }
    try:
        executable, text = _compile(traced, mesh)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        taken = time.perf_counter() - began
        message = str(error).split("\n")[0]
        needed = needed_bytes(message)
        return Program(**known, refused=message, temporaries=needed, seconds=taken)
    memory = executable.memory_analysis()
    module = hlo.parse(text)
    return Program(
        **known,
        arguments=float(memory.argument_size_in_bytes),
        temporaries=float(memory.temp_size_in_bytes),
        outputs=float(memory.output_size_in_bytes - memory.alias_size_in_bytes),
        code=float(memory.generated_code_size_in_bytes),
        flops=counts.flops(module),
        bytes_accessed=counts.bytes_accessed(module),
        collectives=tuple(collectives.find(module, dict(mesh.shape))),
        unknown_loops=len(module.unknown_loops),
        seconds=time.perf_counter() - began,
    )


def _compile(traced: Any, mesh: Mesh) -> tuple[jax.stages.Compiled, str]:  # noqa: ANN401
    """Compile, and return the program as the compiler writes it.

    A TPU's is written to a file while it compiles: jax can not read back every program of a
    libtpu that is newer than it is (Qwen3-8B on v6e by libtpu 0.0.52: "async-update
    instruction should have 1 operands but sees 3").
    """
    lowered = traced.lower()
    if mesh.devices.flat[0].platform != "tpu":
        compiled = lowered.compile()
        return compiled, compiled.as_text()
    with tempfile.TemporaryDirectory() as folder:
        options = {"xla_dump_to": folder, "xla_dump_hlo_as_text": True}
        compiled = lowered.compile(compiler_options=options)
        (written,) = Path(folder).glob("*.after_optimizations.txt")
        return compiled, written.read_text()


def needed_bytes(message: str) -> float:
    """Return the bytes that a refused program needs by the compiler's message; 0: unsaid."""
    found = _SHORT_OF_MEMORY.search(message)
    return float(found[1]) * _UNITS[found[2]] if found else 0.0
