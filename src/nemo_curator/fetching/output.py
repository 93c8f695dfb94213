"""The folder of a fetch: whose it is, which shards are whole, and what is opened again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nemo_curator import __version__, storage
from nemo_curator.errors import OutputExistsError
from nemo_curator.fetching.settings import FetchSettings
from nemo_curator.fetching.shard_files import ShardFiles, image_of, read_shard, statuses_of
from nemo_curator.fetching.spool import Spool
from nemo_curator.fetching.statuses import STATUSES
from nemo_curator.shards.fetched import MANIFEST, shard_name

SCRATCH = ".fetching"
"""Folder inside the output for what is under way; hidden, so that no run reads it, and gone at the end."""

_STATUS = re.compile(r"([0-9]{6,})\.parquet")
_ANOTHER = "choose another output, or give the list and the columns that this one was begun with"


class FetchOutput:
    """The folder of a fetch.

    Args:
        place: Folder or URL.
        identity: What tells its list from another one.
        settings: How it is fetched.

    Attributes:
        rows: How many rows the list has; None where nobody counted them yet.
        whole: Numbers of the shards that were whole before, and were not opened again.
    """

    def __init__(self, place: str, identity: Mapping[str, Any], settings: FetchSettings) -> None:
        self.place, self._identity, self._settings = place, dict(identity), settings
        self._manifest = storage.join(place, MANIFEST)
        self.rows: int | None = None
        self.whole: set[int] = set()

    def claim(self) -> None:
        """Begin, or go on with what was begun; sweep what was left half-written.

        Raises:
            OutputExistsError: The folder holds something else.
            StorageError: It cannot be written.
        """
        found = self._listed()
        before = self._read()
        if before is None and any(not self._is_begun(one) for one in found):
            raise OutputExistsError(
                "the folder holds something that no fetch put there", where=self.place, act="choose another one"
            )
        if before is not None:
            if before.get("list") != json.loads(json.dumps(self._identity)):
                raise OutputExistsError("it holds a fetch of another list", where=self.place, act=_ANOTHER)
            if before.get("shard_size") != self._settings.shard_size:
                raise OutputExistsError(
                    f"its shards have {before.get('shard_size')} rows",
                    where=self.place,
                    act=f"say --shard-size {before.get('shard_size')}, or choose another output",
                )
            self.rows = before.get("rows")
        for name in found:
            if storage.is_temporary(name):
                storage.remove(storage.join(self.place, name))
        self.whole = {int(match[1]) for one in found if (match := _STATUS.fullmatch(one))}
        if before is None:
            self.write({})

    def write(self, statuses: Mapping[str, int]) -> None:
        """Write down what the fetch is.

        Args:
            statuses: Status to number of rows, once all are known.

        Raises:
            StorageError: It cannot be written.
        """
        facts: dict[str, Any] = {
            "imagecurator_fetch": 1,
            "version": __version__,
            "list": self._identity,
            "shard_size": self._settings.shard_size,
            "user_agent": self._settings.user_agent,
            "robots": self._settings.robots,
            "opt_outs": list(self._settings.opt_outs),
        }
        if self.rows is not None:
            facts["rows"] = self.rows
        if statuses:
            facts["statuses"] = {word: statuses[word] for word in STATUSES if word in statuses}
        with storage.write_atomic(self._manifest) as file:
            file.write(json.dumps(facts, ensure_ascii=False).encode() + b"\n")  # begins as MANIFEST_HEAD says

    @property
    def url_column(self) -> str:
        """The list's column of URLs."""
        return str(self._identity["url_column"])

    def files(self, number: int) -> ShardFiles:
        """Where the files of a shard are."""
        return ShardFiles(self.place, number)

    def reopen(self, number: int, spool: str) -> bool:
        """Open a whole shard again where a further try may change it; what was fetched of it is kept.

        Args:
            number: Which shard.
            spool: Where its spool is to be.

        Returns:
            Whether it was opened.

        Raises:
            InputError: It cannot be read.
            StorageError: The spool cannot be written.
        """
        files = self.files(number)
        if not any(STATUSES[word].later for word in statuses_of(files)):
            return False
        settled = read_shard(files)
        with suppress(FileNotFoundError):
            Path(spool).unlink()
        kept = Spool(spool)
        for one in settled:
            if one.first_row is None and not STATUSES[one.outcome.status].later:
                kept.add(one.row, one.outcome, [image_of(files, one)])
        kept.close()
        storage.remove(files.status)  # from here on it is not whole, and the spool has what is known
        self.whole.discard(number)
        return True

    @staticmethod
    def _is_begun(name: str) -> bool:
        """Whether a file is what a fetch has that was killed before it could say that the folder is its own."""
        return name.startswith(f"{SCRATCH}/") or (name.startswith(f"{MANIFEST}.") and storage.is_temporary(name))

    def _listed(self) -> list[str]:
        try:
            found = storage.list(self.place)
        except FileNotFoundError:
            return []
        start = len(storage.join(self.place, ""))
        return [one.url[start:] for one in found]

    def _read(self) -> dict[str, Any] | None:
        try:
            with storage.open(self._manifest) as file:
                found = json.loads(file.read(1 << 24))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and "imagecurator_fetch" in found else None


def spool_name(number: int) -> str:
    """The name of a shard's spool."""
    return f"{shard_name(number)}.spool"
