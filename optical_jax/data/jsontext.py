"""JSON of files that others wrote: whatever is wrong with it, the error is a ValueError."""

import json
from typing import Any


def loads(text: str) -> Any:  # noqa: ANN401
    """Return the value of a JSON text.

    Raises:
        ValueError: if it is no JSON, is nested too deeply, has a number of thousands of
            digits, or half of a surrogate pair, which is no character and cannot be written.
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if "\\ud" in text or "\\uD" in text:
        json.dumps(value, ensure_ascii=False).encode()
    return value
