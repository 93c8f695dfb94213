"""All requests of a fetch, in one thread: rows go in shard by shard, workers take them in polite order.

Only names are resolved, lists read and shards written in other threads. At most some shards are under way, and what
their rows, answers and images take beyond a share of memory is in files, so that what is held does not grow with the
list, nor with what stands in a row of it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from nemo_curator import storage
from nemo_curator.errors import ConservationError, CuratorError
from nemo_curator.fetching.exchange import Exchange, open_exchange
from nemo_curator.fetching.following import Follower, Visit
from nemo_curator.fetching.holding import Share, holding
from nemo_curator.fetching.kept_rows import KeptRows
from nemo_curator.fetching.manners import Manners
from nemo_curator.fetching.output import FetchOutput, spool_name
from nemo_curator.fetching.repeats import Repeats
from nemo_curator.fetching.resolving import Ask, Resolver
from nemo_curator.fetching.settings import FetchSettings
from nemo_curator.fetching.shard_files import Earlier, write_shard
from nemo_curator.fetching.shard_work import ShardWork
from nemo_curator.fetching.statuses import Outcome, Trouble
from nemo_curator.fetching.url_list import ListRow

_LONGEST_BACK_OFF = 60.0


@dataclass(slots=True)
class Progress:
    """How far a fetch is.

    Attributes:
        rows: Rows of the list.
        done: Rows of shards that are whole, and those that were fetched of others since it began.
        images: Images among those fetched since it began.
        bytes: Their bytes.
    """

    rows: int = 0
    done: int = 0
    images: int = 0
    bytes: int = 0


class Rows(Protocol):
    """Gives the rows of a list from one on."""

    def __call__(self, start: int) -> Iterator[ListRow]:
        """The rows from `start` on."""


@dataclass(slots=True)
class _Job:
    """A URL to fetch.

    Attributes:
        shard: Where its answer goes.
        row: Its row, in which the URL is looked up for each try.
        host: Host of the URL.
        tried: How often it was tried.
        failed: When it failed last, by the clock of the event loop.
    """

    shard: ShardWork
    row: int
    host: str
    tried: int = 0
    failed: float = 0.0


class Crew:
    """Fetches what is missing of the shards of a list.

    Args:
        rows: The rows of the list.
        repeats: Which of them repeat an earlier one.
        output: Where shards go.
        scratch: Local folder of the spools.
        settings: Limits.
        ask: Resolves names.
        told: Called when something was done, by the thread of the event loop.
        retry_failed: Whether rows are fetched again that failed before in a way that may pass.
    """

    def __init__(
        self,
        rows: Rows,
        repeats: Repeats,
        output: FetchOutput,
        scratch: str,
        settings: FetchSettings,
        ask: Ask,
        told: Callable[[Progress], None],
        *,
        retry_failed: bool = False,
    ) -> None:
        self._rows, self._repeats, self._output, self._scratch = rows, repeats, output, scratch
        self._settings, self._ask, self._told = settings, ask, told
        self._retry_failed = retry_failed
        self._holding = holding(settings.memory, settings.shard_size, settings.connections)
        self._writing = Share(self._holding.writing)
        self._earlier = Earlier(output.place, settings.shard_size)
        self._under_way: dict[int, ShardWork] = {}
        self.counts: Counter[str] = Counter()
        """Status to number of rows, of the shards that were finished by this."""
        self.progress = Progress(output.rows or 0)
        self._passed = 0  # rows of whole shards that are not told yet; of whoever asks for the next shard

    async def work(self) -> None:
        """Fetch until all shards are whole.

        Raises:
            CuratorError: What ends a fetch: a disk that is full, a list that is damaged.
        """
        resolver = Resolver(self._ask, self._settings.networks, self._settings.timeout)
        try:
            async with (
                open_exchange(self._settings, resolver, self._holding.body) as exchange,
                asyncio.TaskGroup() as group,
            ):
                await self._work(group, exchange, resolver)
        finally:
            resolver.close()
            for shard in self._under_way.values():
                shard.close()

    async def _work(self, group: asyncio.TaskGroup, exchange: Exchange, resolver: Resolver) -> None:
        manners: Manners[_Job] = Manners(self._settings.per_host, self._settings.delay)
        follower = Follower(exchange, resolver, manners, self._settings)
        workers = [group.create_task(self._worker(manners, follower)) for _ in range(self._settings.connections)]
        room = asyncio.Semaphore(self._holding.shards)
        finishing: set[asyncio.Task[None]] = set()
        shards = self._shards()
        while True:
            await room.acquire()
            found = await asyncio.to_thread(next, shards, None)
            self._advance(self._passed)
            self._passed = 0
            if found is None:
                break
            shard = ShardWork(*found, self._spool(found[0]), retry_failed=self._retry_failed)
            self._under_way[shard.number] = shard
            hosts = shard.hosts()
            self._advance(len(found[1]) - len(hosts))
            for row, host in hosts:
                manners.put(host, _Job(shard, row, host))
            task = group.create_task(self._finish(shard, room))
            finishing.add(task)
            task.add_done_callback(finishing.discard)
        await asyncio.gather(*finishing)
        for worker in workers:
            worker.cancel()

    def _shards(self) -> Iterator[tuple[int, KeptRows, dict[int, int]]]:
        """The shards that are not whole, or are opened again as their turn comes: number, rows, repeats."""
        size = self._settings.shard_size
        rows: Iterator[ListRow] | None = None
        for number in range(-(-self.progress.rows // size)):
            count = min(size, self.progress.rows - number * size)
            if self._stays_whole(number):
                self._passed += count
                if rows is not None:
                    next(itertools.islice(rows, count, count), None)
                continue
            rows = self._rows(number * size) if rows is None else rows
            found = self._kept(number * size, itertools.islice(rows, size))
            if len(found) != count:
                raise ConservationError(
                    f"shard {number} has {len(found):,} rows, and the list had more when it was counted",
                    where=self._output.place,
                    cause="the list was changed while it was fetched",
                    act="fetch it into another folder",
                )
            yield number, found, dict(self._repeats.between(number * size, number * size + len(found)))

    def _kept(self, first: int, rows: Iterator[ListRow]) -> KeptRows:
        """Rows of a shard, read from the list."""
        kept = KeptRows(first, self._scratch, self._holding.rows)
        for row in rows:
            kept.add(row)
        return kept

    def _stays_whole(self, number: int) -> bool:
        """Whether nothing of a shard is fetched; one of which something failed that may pass is opened again here."""
        if number not in self._output.whole:
            return False
        return not (self._retry_failed and self._output.reopen(number, self._spool(number)))

    def _spool(self, number: int) -> str:
        return storage.join(self._scratch, spool_name(number))

    async def _finish(self, shard: ShardWork, room: asyncio.Semaphore) -> None:
        """Write a shard when all of it is known."""
        await shard.answered()
        for number in sorted(shard.before(self._settings.shard_size)):
            if number in self._under_way:
                await self._under_way[number].finished.wait()
        files = self._output.files(shard.number)
        async with self._writing.held(shard.largest(self._settings.max_bytes)):
            answers = shard.answers(self._earlier)
            counts = await asyncio.to_thread(write_shard, files, answers, self._output.url_column)
        self.counts.update(counts)
        shard.discard()
        del self._under_way[shard.number]
        shard.finished.set()
        room.release()

    async def _worker(self, manners: Manners[_Job], follower: Follower) -> None:
        while True:
            host, job = await manners.take()
            visit = Visit(manners, host)
            try:
                await self._try(job, visit, manners, follower)
            finally:
                visit.leave()
            await asyncio.sleep(0)  # rows that need no request leave the others their share

    async def _try(self, job: _Job, visit: Visit, manners: Manners[_Job], follower: Follower) -> None:
        """One try at a URL: its image is kept, or why there is none, or it is tried again later."""
        target = job.shard.target(job.row)
        reading = follower.reading(target)
        if reading is not None:  # its site's robots.txt, for another row: neither a turn nor a worker waits for it
            reading.add_done_callback(lambda _: manners.put(job.host, job))
            return
        try:
            outcome, answer = await follower.image(target, visit, job.tried, job.failed)
        except Trouble as trouble:
            self._fail(job, trouble, visit, manners)
            return
        except CuratorError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a site's files make a parser do ends no fetch
            why = f"what the site answers cannot be read ({type(error).__name__})"
            self._fail(job, Trouble("bad_response", why), visit, manners)
            return
        try:
            job.shard.settle(job.row, outcome, answer.body.pieces())
        finally:
            answer.body.close()
        self.progress.images += 1
        self.progress.bytes += outcome.size or 0
        self._advance(1)

    def _fail(self, job: _Job, trouble: Trouble, visit: Visit, manners: Manners[_Job]) -> None:
        loop = asyncio.get_running_loop()
        job.tried, job.failed = job.tried + 1, loop.time()
        longest, wait = self._settings.longest_wait, trouble.wait
        if wait is not None and visit.host:
            manners.hold_back(visit.host, min(wait, longest))  # it speaks for the whole host
        if trouble.at_once and job.tried <= self._settings.retries and (wait or 0.0) <= longest:
            pause = min(self._settings.back_off * 2 ** (job.tried - 1), _LONGEST_BACK_OFF)
            loop.call_later(max(pause, wait or 0.0), manners.put, job.host, job)
            return
        outcome = Outcome(
            trouble.status,
            trouble.reason,
            trouble.http_status,
            trouble.final_url,
            trouble.redirects,
            trouble.content_type,
            trouble.robots_tag,
            attempts=job.tried,
            at=time.time(),
        )
        job.shard.settle(job.row, outcome)
        self._advance(1)

    def _advance(self, rows: int) -> None:
        self.progress.done += rows
        self._told(self.progress)
