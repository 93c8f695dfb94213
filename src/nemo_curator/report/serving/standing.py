"""A decided run as it stood when it was read: everything that the served page asks for, of every input.

The database is guarded by `_lock`, which whoever asks it holds; arrays are made once and not changed, and `Kept` guards
itself. So any thread may ask.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import Any

import duckdb
import numpy as np

from nemo_curator import storage
from nemo_curator.report.alike import stored_leaks
from nemo_curator.report.assembling import Told, listed_unusable, page_of
from nemo_curator.report.content import Leaks, Page
from nemo_curator.report.ground import Ground, ground_of, sample_of
from nemo_curator.report.protected import protected_rows
from nemo_curator.report.readings import bytes_by_group, readable_positions, unusable_positions, values_of
from nemo_curator.report.samples import Row
from nemo_curator.report.sampling import rows_to_show
from nemo_curator.report.sensitive import sensitive_columns
from nemo_curator.report.serving import tables
from nemo_curator.report.serving.keeping import Kept
from nemo_curator.report.serving.ladder import Ladder
from nemo_curator.report.serving.orders import Wanted, positions_wanted
from nemo_curator.report.serving.refusal import RefusedError
from nemo_curator.report.spreads import Spread, spread_of
from nemo_curator.report.verdicts import Positions
from nemo_curator.runs.layout import RunDirectory

_LADDERS = 512_000_000  # bytes of values in order; of 1,000,000 images one axis has 20 MB
_LISTS = 128_000_000  # bytes of positions that galleries go through
_MOST_LEAKS = 240


class Standing:
    """A decided run.

    Args:
        run: The run.
        edition: Tells it from what the same server read before and after.

    Attributes:
        edition: The same.
        ground: The run, read.
        page: What the page says at once.
        codes: Error codes in the order of the page.
        group_count: How many groups of duplicates there are.
        leaks: Of images that show a protected one: position, what they show, and its row where there is one.

    Raises:
        InputError: The run is not decided, or a file of it is damaged.
        OSError: A file of the run cannot be read.
        ValueError: `run.json` is not JSON.
        StorageError: There is no room for temporary files.
    """

    def __init__(self, run: RunDirectory, edition: int) -> None:
        self.edition = edition
        self._version = version_of(run)
        self._lock = threading.Lock()
        self._closed = False
        self._ladders: Kept[int, Ladder] = Kept(_LADDERS, lambda one: one.size)
        self._lists: Kept[Wanted, Positions] = Kept(_LISTS, lambda one: one.nbytes)
        with ExitStack() as stack:
            self.ground: Ground = stack.enter_context(ground_of(run, tables.SHOWN, texts=True))
            self._read()
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Let the database go; whoever asks later is told to load the page again."""
        with self._lock:
            self._closed = True
            self._stack.close()

    @property
    def outdated(self) -> bool:
        """Whether somebody decided the run anew, or began to, since it was read."""
        return version_of(self.ground.run) != self._version

    @property
    def unshown(self) -> frozenset[int]:
        """Numbers of the groups of which no picture is shown: images on lists of known ones."""
        return frozenset(
            at for at, (_, rule) in enumerate(self.ground.verdicts.groups) if rule in self.ground.facts.known
        )

    def ladder(self, axis: int) -> Ladder:
        """The values of an axis in order."""
        return self._ladders.made(axis, lambda: self._ladder(axis))

    def wanted(self, wanted: Wanted) -> Positions:
        """Positions of all images that a gallery goes through."""
        return self._lists.made(
            wanted,
            lambda: positions_wanted(
                wanted,
                readable=self._readable,
                numbers=self.ground.verdicts.numbers,
                found=lambda: self._found(wanted.words),
                ladder=self.ladder,
            ),
        )

    def rows(self, places: Sequence[int]) -> dict[int, Row]:
        """Position to row of some inputs, with what was decided of them and the number that each axis gives."""
        columns = [*(one for one in tables.SHOWN if one in self.ground.found.names), *self.ground.found.texts]
        columns += sensitive_columns(self.ground.found.numbers)
        with self._database() as connection:
            return tables.rows_at(connection, places, columns, self.ground.axes)

    def is_readable(self, position: int) -> bool:
        """Whether there is such an input, and it is an image."""
        return 0 <= position < len(self._readable) and bool(self._readable[position])

    def groups(self, order: tables.Order, offset: int, limit: int, members: int) -> list[dict[str, Any]]:
        """Some groups of duplicates, with the position of the kept image, or None where it belongs to another run."""
        with self._database() as connection:
            found = tables.groups_at(connection, order, offset, limit, members)
            places = self.ground.verdicts.places([one["kept"] for one in found])
        return [one | {"position": places.get(one["kept"])} for one in found]

    def unusable(self, code: str, offset: int, limit: int) -> list[dict[str, Any]]:
        """Some inputs that could not be used for a reason."""
        with self._database() as connection:
            return tables.unusable_at(connection, code, offset, limit)

    @contextmanager
    def _database(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            if self._closed:
                raise RefusedError(HTTPStatus.CONFLICT, "the run was decided anew: load the page again")
            yield self.ground.connection

    def _ladder(self, axis: int) -> Ladder:
        with self._database() as connection:
            values = values_of(connection, self.ground.axes[axis], self.ground.kept)
        return Ladder.of(values)

    def _found(self, words: Sequence[str]) -> Positions:
        with self._database() as connection:
            return tables.find_words(connection, words)

    def _read(self) -> None:
        """What is known at once. No other thread sees this object yet."""
        ground = self.ground
        connection = ground.connection
        tables.add_removed(connection)
        readable, unusable = readable_positions(connection), unusable_positions(connection)
        self._readable = np.zeros(ground.verdicts.total, np.bool_)
        self._readable[readable] = True
        self.group_count = tables.group_count(connection)
        sample = sample_of(ground, rows_to_show((), readable, len(ground.axes)), readable)
        listed = listed_unusable(unusable)
        rows = tables.rows_at(connection, listed, ("source", "error_detail"), ())
        sizes = bytes_by_group(connection)
        leaks = self._read_leaks()
        spreads = tuple(self._spread(at) for at in range(len(ground.axes)))
        self.page: Page = page_of(ground, Told(spreads, sample, unusable, listed, rows, sizes, leaks=leaks))
        self.codes = sorted(unusable, key=lambda code: -len(unusable[code]))  # as the page has them

    def _spread(self, at: int) -> Spread:
        axis = self.ground.axes[at]
        return spread_of(axis, values_of(self.ground.connection, axis, self.ground.kept), self.ground.points)

    def _read_leaks(self) -> Leaks | None:
        self.leaks: list[dict[str, Any]] = []
        stored = stored_leaks(self.ground.run, _MOST_LEAKS)
        if stored is None:
            return None
        places = self.ground.verdicts.places([leak.image_id for leak in stored.listed])
        protected = protected_rows(self.ground.run, [end.image_id for leak in stored.listed for end in leak.ends[:1]])
        for leak in stored.listed:
            for end in leak.ends[:1]:
                name, _, image_id = end.image_id.partition(":")
                row = protected.get(name, {}).get(image_id)
                self.leaks.append(
                    {"position": places[leak.image_id], "end": end, "others": leak.size - 1, "protected": row}
                )
        return Leaks(stored.images, stored.protected, ())


def version_of(run: RunDirectory) -> tuple[tuple[int, str], ...]:
    """What changes when a run is decided anew, or begins to be."""
    found = []
    for place in (run.run_json, run.decisions):
        try:
            stored = storage.stat(place)
            found.append((stored.size, stored.version))
        except OSError:
            found.append((0, ""))
    return tuple(found)
