"""What was made once is kept while there is room: the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """Values by their keys. May be used by any thread: a lock guards what is kept, and is not held while one is made.

    Args:
        most: Size of all together at most; the last one is kept whatever it has.
        size: Size of a value.
    """

    def __init__(self, most: int, size: Callable[[Value], int]) -> None:
        self._most = most
        self._size = size
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._taken = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Key) -> Value | None:
        """A value that is kept, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Key, value: Value) -> Value:
        """Keep a value."""
        with self._lock:
            if key in self._values:
                self._taken -= self._size(self._values.pop(key))
            self._values[key] = value
            self._taken += self._size(value)
            while self._taken > self._most and len(self._values) > 1:
                self._taken -= self._size(self._values.popitem(last=False)[1])
        return value

    def made(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value that is kept, or else a new one, which is kept then."""
        found = self.get(key)
        return self.put(key, make()) if found is None else found
