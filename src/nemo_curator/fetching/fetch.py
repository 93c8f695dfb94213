"""A list of URLs to a folder of shards."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from nemo_curator import storage
from nemo_curator._optional import require
from nemo_curator.errors import ConservationError, InputError
from nemo_curator.fetching.crew import Crew, Progress
from nemo_curator.fetching.output import SCRATCH, FetchOutput
from nemo_curator.fetching.repeats import Repeats, find_repeats, read_repeats, write_repeats
from nemo_curator.fetching.resolving import Ask, ask_system
from nemo_curator.fetching.settings import FetchSettings
from nemo_curator.fetching.shard_files import statuses_of
from nemo_curator.fetching.shard_work import target_of
from nemo_curator.fetching.statuses import OK, STATUSES, Trouble
from nemo_curator.fetching.url_list import UrlList

_REPEATS = "repeats.npy"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of a list.

    Attributes:
        output: Where the shards lie.
        rows: Rows of the list.
        statuses: Status to number of rows, in the order of the reference; they add up to `rows`.
        images: Images that were fetched by this call.
        bytes: Their bytes.
    """

    output: str
    rows: int
    statuses: dict[str, int]
    images: int
    bytes: int

    @property
    def ok(self) -> int:
        """Rows that have an image."""
        return self.statuses.get(OK, 0)


def fetch(
    urls: str,
    output: str,
    settings: FetchSettings | None = None,
    *,
    retry_failed: bool = False,
    resolve: Ask = ask_system,
    told: Callable[[Progress], None] = lambda _: None,
) -> Fetched:
    """Download the images that a list of URLs names, politely, and answer for every row.

    The folder gets WebDataset tars of the images with their captions and metadata, and a status table with one row for
    every row of the list. It is an input of `imagecurator run` like any other, for which the rows without an image are
    quarantine records. The same call goes on where an earlier one was stopped; what was fetched is not fetched again.

    Args:
        urls: Path or URL of the list: Parquet, CSV, TSV, JSON Lines, a URL a line, or a folder of such files.
        output: Folder or URL of the fetch.
        settings: Columns, limits and manners.
        retry_failed: Whether rows that failed in a way that may pass are fetched again.
        resolve: Where the addresses of names come from; the system by default.
        told: Called with the progress.

    Raises:
        InputError: The list cannot be read, or has no column of URLs.
        OutputError: The folder holds something else, cannot be written, or is in use.
        MissingExtraError: The extra `fetch` is not installed.
        ConservationError: The list changed while it was fetched.
    """
    settings = settings or FetchSettings()
    for module in ("aiohttp", "protego"):
        require(module, extra="fetch", purpose="Fetching a list of URLs")
    storage.allow_many_files()
    known = UrlList(urls, settings.url_column, settings.caption_column)
    with storage.locked(output):
        place = FetchOutput(output, known.identity, settings)
        place.claim()
        with _scratch(output) as scratch:
            repeats = _repeats(known, place, scratch)
            crew = Crew(known.rows, repeats, place, scratch, settings, resolve, told, retry_failed=retry_failed)
            _run(crew)
            counts = crew.counts
            for number in place.whole:
                counts.update(statuses_of(place.files(number)))
        if counts.total() != place.rows:
            raise ConservationError(
                f"{counts.total():,} answers are not {place.rows:,} rows",
                where=output,
                act="keep the folder and report it",
            )
        place.write(counts)
        shutil.rmtree(storage.join(storage.local_path(output), SCRATCH), ignore_errors=True)
    return _told(output, counts, crew.progress)


def _told(output: str, counts: Counter[str], progress: Progress) -> Fetched:
    statuses = {word: counts[word] for word in STATUSES if word in counts}
    return Fetched(output, progress.rows, statuses, progress.images, progress.bytes)


def _run(crew: Crew) -> None:
    """Let a crew work; of several errors the first is raised, without the group around it."""
    try:
        _to_the_end(crew)
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


def _to_the_end(crew: Crew) -> None:
    """Let a crew work in an event loop of its own: in a thread where there is one here already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(crew.work())
        return
    with ThreadPoolExecutor(1) as thread:
        _beside(crew, thread)


def _beside(crew: Crew, thread: ThreadPoolExecutor) -> None:
    """Let a crew work in a thread; what interrupts the wait for it, as Ctrl-C does, ends its work too."""
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = Future()

    async def work() -> None:
        task = asyncio.current_task()
        if task is not None:
            begun.set_result((asyncio.get_running_loop(), task))
        await crew.work()

    ended = thread.submit(lambda: asyncio.run(work()))
    try:
        ended.result()
    except BaseException:
        either: list[Future[Any]] = [begun, ended]
        wait(either, return_when=FIRST_COMPLETED)
        if not ended.done():
            loop, task = begun.result()
            with suppress(RuntimeError):  # it ended just now
                loop.call_soon_threadsafe(task.cancel)
        raise


def _repeats(known: UrlList, place: FetchOutput, scratch: str) -> Repeats:
    """The repeats of a list, found again only where they are not known from before."""
    path = storage.join(scratch, _REPEATS)
    repeats = read_repeats(path) if place.rows is not None else None
    if repeats is not None:
        return repeats
    rows = 0

    def urls() -> Iterator[tuple[int, str]]:
        nonlocal rows
        for row in known.rows():
            rows = row.number + 1
            try:
                yield row.number, target_of(row).text
            except Trouble:
                continue

    found = find_repeats(urls(), scratch)
    if place.rows not in {None, rows}:
        raise InputError("the list has another number of rows than before", where=known.place, act="fetch it elsewhere")
    write_repeats(path, found)
    place.rows = rows
    place.write({})
    return Repeats(found)


@contextmanager
def _scratch(output: str) -> Iterator[str]:
    """The local folder for what is under way; of a remote output one that does not outlive the process."""
    if not storage.is_local(output):
        with tempfile.TemporaryDirectory(prefix="imagecurator-fetch-") as folder:
            yield folder
        return
    folder = storage.join(storage.local_path(output), SCRATCH)
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103  paths are plain strings here
    except OSError as error:
        raise storage.storage_error(folder, error) from error
    yield folder
