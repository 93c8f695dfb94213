"""One shard under way: its rows, and what is known of each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping

from nemo_curator import storage
from nemo_curator.fetching.kept_rows import KeptRows
from nemo_curator.fetching.shard_files import Answered, Earlier
from nemo_curator.fetching.spool import Spool
from nemo_curator.fetching.statuses import OK, STATUSES, Outcome, Trouble
from nemo_curator.fetching.url_list import ListRow
from nemo_curator.fetching.urls import Target, parse_url


class ShardWork:
    """A shard that is not whole yet.

    Args:
        number: Which one it is.
        rows: Its rows, in order; given up with the shard.
        repeats: Row to the first row of the same URL, for those of its rows that repeat one.
        spool: Where its spool lies.
        retry_failed: Whether rows are fetched again that failed before in a way that may pass.

    Attributes:
        finished: Set when its files are written.
    """

    def __init__(
        self, number: int, rows: KeptRows, repeats: Mapping[int, int], spool: str, *, retry_failed: bool
    ) -> None:
        self.number, self._rows, self._repeats = number, rows, repeats
        self._spool = Spool(spool)
        self._retry_failed = retry_failed
        self._answered = asyncio.Event()
        self.finished = asyncio.Event()
        self._left = 0

    def hosts(self) -> list[tuple[int, str]]:
        """The rows that have to be fetched, and the hosts of their URLs; every other row is answered by this.

        Raises:
            StorageError: What is known of a row cannot be kept.
        """
        found: list[tuple[int, str]] = []
        for row in self._rows.urls():
            kept = self._spool.rows.get(row.number)
            settled = kept is not None and not (self._retry_failed and STATUSES[kept.status].later)
            if settled or row.number in self._repeats:
                continue
            try:
                found.append((row.number, target_of(row).host))
            except Trouble as trouble:
                self._spool.add(row.number, Outcome(trouble.status, trouble.reason))
        self._left = len(found)
        if not self._left:
            self._answered.set()
        return found

    def target(self, row: int) -> Target:
        """What is asked for, for a row that `hosts` told of.

        Raises:
            StorageError: The row cannot be read.
        """
        return parse_url(self._rows.url(row))

    def largest(self, most: int) -> int:
        """Bytes of its largest image, as far as that is known.

        Args:
            most: What an image of an earlier shard may have.
        """
        sizes = [kept.size for kept in self._spool.rows.values()]
        return max([*sizes, most if self._repeats else 0], default=0)

    def before(self, shard_size: int) -> set[int]:
        """The earlier shards whose answers its rows repeat."""
        return {first // shard_size for first in self._repeats.values()} - {self.number}

    def settle(self, row: int, outcome: Outcome, image: Iterable[bytes] = ()) -> None:
        """Keep what became of a row.

        Raises:
            StorageError: It cannot be kept.
        """
        self._spool.add(row, outcome, image)
        self._left -= 1
        if not self._left:
            self._answered.set()

    async def answered(self) -> None:
        """Wait until all rows are answered that are fetched for this shard."""
        await self._answered.wait()

    def answers(self, earlier: Earlier) -> Iterator[Answered]:
        """All rows with what became of them, in order, holding one image at a time.

        Args:
            earlier: Knows the shards before this one.
        """
        for row in self._rows:
            first = self._repeats.get(row.number)
            kept = self._spool.rows.get(row.number if first is None else first)
            if kept is not None:
                image = self._spool.image(kept) if kept.status == OK else b""
                yield Answered(row, self._spool.outcome(kept), image, first)
            elif first is not None:
                outcome, image = earlier.answer(first)
                yield Answered(row, outcome, image, first)

    def discard(self) -> None:
        """Remove the spool of a shard that is whole."""
        self.close()
        try:
            os.unlink(self._spool.path)  # noqa: PTH108  paths are plain strings here
        except OSError as error:
            raise storage.storage_error(self._spool.path, error, verb="be removed") from error

    def close(self) -> None:
        """Let the spool go, which stays for the next time, and the rows."""
        self._rows.close()
        self._spool.close()


def target_of(row: ListRow) -> Target:
    """What is asked for, for a row.

    Raises:
        Trouble: Nothing is, with the reason.
    """
    if row.trouble:
        raise Trouble("bad_row", row.trouble)
    if not row.url.strip():
        raise Trouble("no_url", "the row has no URL")
    return parse_url(row.url)
