"""Numbers as people write them: `100M`, `64MB`."""

from __future__ import annotations

import re

_FACTORS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "b": 1,
}
_FORM = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*")


def parse_size(value: int | str) -> int:
    """A whole number from a number or a text with a decimal (`M`, `MB`) or binary (`MiB`) suffix.

    Raises:
        ValueError: The text is no such number.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2].lower() not in _FACTORS:
        raise ValueError(f"{value!r} is no size; write a whole number or one with a suffix, such as 100M or 64MB")
    return int(float(match[1].replace("_", "")) * _FACTORS[match[2].lower()])
