"""What a fetch may hold in memory, and who may hold how much of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nemo_curator.machine_memory import usable_memory

_ROWS, _SHARDS = 40_000, 128  # rows and shards under way at most; two shards in any case
_MOST, _PART = 1 << 30, 4  # what is held by default: a part of the machine's memory, and no more than is of use
_LEAST_BODY, _MOST_BODY = 1 << 14, 1 << 20


@dataclass(frozen=True, slots=True)
class Holding:
    """Shares of a number of bytes: half for the rows under way, and a quarter each for answers and for writing.

    Attributes:
        shards: Shards under way at most.
        rows: Bytes of the rows of a shard that are in memory; the others are in a file.
        body: Bytes of an answer under way that are in memory, likewise.
        writing: Bytes of the images that shards hold while they are written, all together; one image in any case.
    """

    shards: int
    rows: int
    body: int
    writing: int


def holding(memory: int, shard_size: int, connections: int) -> Holding:
    """What each may hold.

    Args:
        memory: Bytes altogether; 0 for a share of this machine's.
        shard_size: Rows of a shard.
        connections: Requests under way at a time.
    """
    memory = memory or min(_MOST, usable_memory() // _PART)
    shards = min(max(2, _ROWS // shard_size), _SHARDS)
    body = min(max(memory // 4 // connections, _LEAST_BODY), _MOST_BODY)
    return Holding(shards, memory // 2 // (shards + 1), body, memory // 4)


class Share:
    """Bytes that several hold together. Who wants more than all of them holds them alone.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held = most, 0
        self._door, self._freed = asyncio.Lock(), asyncio.Event()

    @asynccontextmanager
    async def held(self, size: int) -> AsyncIterator[None]:
        """Hold some of them, as soon as that many are free.

        Args:
            size: How many.
        """
        async with self._door:  # one after the other, so that nobody who wants much is passed by
            while self._held and self._held + size > self._most:
                self._freed.clear()
                await self._freed.wait()
            self._held += size
        try:
            yield
        finally:
            self._held -= size
            self._freed.set()
