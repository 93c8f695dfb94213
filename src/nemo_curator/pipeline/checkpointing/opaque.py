"""The way to say which part of a value cannot be handled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class OpaqueError(Exception):
    """A value that cannot be put into words or bytes; never leaves this package.

    Args:
        kind: What it is, in words.

    Attributes:
        kind: What it is, in words.
        path: Where it stands, such as `.data[3].metadata['when']`.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.path = ""


def kind_of(value: object) -> str:
    """A value's class as `module.Name`, without `builtins`."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


@contextmanager
def at(step: str) -> Iterator[None]:
    """What is opaque inside the block stands at `step`."""
    try:
        yield
    except OpaqueError as error:
        error.path = step + error.path
        raise
