"""The other end of `paired.Child`: answers each line with what a run took; needs no library."""

import json
import sys
import time
from collections.abc import Callable


def serve(ready: dict, run: Callable[[], dict | None]) -> None:
    """Say that the work can begin, then do it once for each line that is read."""
    print(json.dumps(ready), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        found = run()
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, **(found or {})}), flush=True)
