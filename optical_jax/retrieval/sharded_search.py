"""Exact MaxSim search over a corpus of any size, on all devices of a mesh.

The corpus is cut into blocks of as many documents wherever they are searched, each by
`search.search` on one device. What is kept of a block is its top k; merged by score, then by
position, it does not depend on who searched what: the ranking is that of one device, bit for
bit, on any number of devices of a kind and of processes. A block that lies in a file is
mapped into memory while it is searched.
"""

import collections
import contextlib
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

from optical_jax.retrieval import search as search_lib
from optical_jax.retrieval.encode import Progress, TokenVectors
from optical_jax.retrieval.search import Ranking
from optical_jax.training import distributed

# Documents that a device searches at once; `shards` writes as many into one file.
BLOCK = 4096


def every_device() -> jax.sharding.Mesh | None:
    """Return the mesh of all devices of all processes; None where there is one device."""
    count = jax.device_count()
    if count == 1:
        return None
    auto = (jax.sharding.AxisType.Auto,)
    return jax.make_mesh((count,), ("data",), axis_types=auto)


def search(
    queries: TokenVectors,
    corpus: TokenVectors,
    *,
    k: int = 1000,
    mesh: jax.sharding.Mesh | None = None,
    block: int = BLOCK,
    progress: Progress | None = None,
) -> Ranking:
    """Rank the documents of a corpus for each query by MaxSim, best first.

    Args:
        queries: vectors of the query tokens.
        corpus: vectors of the document tokens; may lie in memory-mapped files.
        k: documents to return for each query, at most as many as there are.
        mesh: whose devices share the blocks. If it spans several processes all of them
            must call this, with the same queries and the same corpus, and each gets the
            whole ranking. None: the default device searches everything.
        block: documents that a device searches at once.
        progress: called after each block with documents done and all documents, of this
            process.

    Raises:
        ValueError: if the widths differ, or there is no query or no document.
    """
    search_lib.check(queries, corpus, k)
    k = min(k, len(corpus))
    starts = range(0, len(corpus), block)
    together = mesh is not None and mesh.is_multi_process
    if together:
        starts = starts[jax.process_index() :: jax.process_count()]
    stops = [min(start + block, len(corpus)) for start in starts]
    total = sum(stops) - sum(starts)

    def one(start: int) -> Ranking:
        part = corpus.part(start, min(start + block, len(corpus)))
        found = search_lib.search(queries, part, k=k)
        real = found.scores > -np.inf
        return Ranking(np.where(real, found.indices + start, -1), found.scores)

    best, done = _nothing(len(queries), 0), 0
    devices = [None] if mesh is None else mesh.local_devices
    found = _on_devices(one, starts, devices)
    for start, stop, new in zip(starts, stops, found, strict=True):
        best = merge(best, new, k)
        done += stop - start
        if progress is not None:
            progress(done, total)
    return _of_all_processes(best, k) if together else best


def merge(best: Ranking, new: Ranking, k: int) -> Ranking:
    """Return the top k of two rankings of different documents; of equals the first one."""
    if best.scores.shape[1] >= k:
        # Nothing below the k-th best enters: of a large corpus, most blocks bring little.
        enters = new.scores >= best.scores[:, k - 1 : k]
        most = int(enters.sum(axis=1).max())
        new = Ranking(new.indices[:, :most], new.scores[:, :most])
    scores = np.concatenate([best.scores, new.scores], axis=1)
    indices = np.concatenate([best.indices, new.indices], axis=1)
    order = np.lexsort((indices, -scores), axis=1)[:, :k]
    return Ranking(
        np.take_along_axis(indices, order, axis=1),
        np.take_along_axis(scores, order, axis=1),
    )


def _on_devices(
    run: Callable[[int], Ranking],
    starts: Sequence[int],
    devices: Sequence[jax.Device | None],
) -> Iterator[Ranking]:
    """Yield what run gives, in the order of the starts, each run on a free device."""
    free: queue.SimpleQueue[jax.Device | None] = queue.SimpleQueue()
    for device in devices:
        free.put(device)

    def on_device(start: int) -> Ranking:
        device = free.get()
        placed = contextlib.nullcontext()
        if device is not None:
            placed = jax.default_device(device)
        try:
            with placed:
                return run(start)
        finally:
            free.put(device)

    waiting: collections.deque = collections.deque()
    with ThreadPoolExecutor(len(devices)) as pool:
        for start in starts:
            waiting.append(pool.submit(on_device, start))
            # One more than there are devices, so that none waits for the merge.
            if len(waiting) > len(devices):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _of_all_processes(best: Ranking, k: int) -> Ranking:
    lacking = _nothing(len(best.scores), k - best.scores.shape[1])
    own = [np.concatenate(pair, axis=1) for pair in zip(best, lacking, strict=True)]
    indices, scores = map(distributed.of_all, own)
    best = _nothing(len(best.scores), 0)
    for found in zip(indices, scores, strict=True):
        best = merge(best, Ranking(*found), k)
    return best


def _nothing(queries: int, k: int) -> Ranking:
    return Ranking(
        np.full((queries, k), -1, np.int32), np.full((queries, k), -np.inf, np.float32)
    )
