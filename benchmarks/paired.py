"""Candidates in processes and environments of their own, timed in turns.

A child is any program that prints a line of JSON when it is ready, then for each line it reads
does its work once and prints {"seconds": ..., ...}. It imports no more than it needs, and
waits without using a core while another one is timed. Other lines it prints are not read.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
_XLA_ONE = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


class Child:
    """A running candidate.

    Attributes:
        ready: what it said of itself: versions, what it could not do.
    """

    def __init__(self, command: Sequence[str], *, threads: int | None = None):
        """Start a program and wait until it is ready.

        Args:
            command: the program and its arguments.
            threads: of every library; one also means one core. None: as they choose.

        Raises:
            RuntimeError: if it ends before it is ready.
        """
        environment = dict(os.environ)
        # Idle threads of one candidate must not spin while another is timed.
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
        if threads is not None:
            environment |= dict.fromkeys(_THREADS, str(threads))
        if threads == 1:
            environment["XLA_FLAGS"] = _XLA_ONE
            cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:1]))
            command = ["taskset", "-c", cores, *command]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._command = command
        self.ready = self._read()

    def run(self) -> dict:
        """Let it do its work once."""
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _read(self) -> dict:
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(
            f"{' '.join(self._command)} ended with {self._process.wait()} before it answered"
        )


def rounds(children: Mapping[str, Child], *, count: int) -> dict[str, dict]:
    """Run each child once a round, in turn; return its fastest answer.

    The first run of each, which compiles, is not among them.
    """
    best = {}
    for child in children.values():
        child.run()
    for _ in range(count):
        for name, child in children.items():
            found = child.run()
            if name not in best or found["seconds"] < best[name]["seconds"]:
                best[name] = found
    return best
