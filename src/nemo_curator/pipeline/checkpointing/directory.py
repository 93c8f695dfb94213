"""The checkpoint directory: `checkpoint.json` with the plan, and one file for each partition that is done.

A partition's file is an Arrow table of byte strings, each with its CRC-32: the first is a JSON document, the others
are what it refers to. Files appear whole or not at all.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import IOBase
from typing import Any, NoReturn, cast

import pyarrow as pa
from loguru import logger

from nemo_curator import storage
from nemo_curator.errors import OutputExistsError
from nemo_curator.pipeline.checkpointing.opaque import OpaqueError
from nemo_curator.pipeline.checkpointing.plan import plan_changes
from nemo_curator.pipeline.checkpointing.values import Packer, Unpacker
from nemo_curator.redaction import redacted

FORMAT = "imagecurator-checkpoint-1"

_PARTITION = re.compile(r"partitions/[0-9a-f]{32}\.arrow")
_TEMPORARY = re.compile(r"\.tmp-[0-9a-f]{12}$")
_COLUMNS: dict[str, pa.DataType] = {"bytes": pa.large_binary(), "crc32": pa.uint32()}
_SCHEMA = pa.schema(_COLUMNS)


class _DamagedError(ValueError):
    """Bytes are not the ones that were written."""


@dataclass(frozen=True, slots=True)
class CheckpointDirectory:
    """One checkpoint directory; whoever writes to it holds its lock.

    Attributes:
        root: A path or URL.
    """

    root: str

    def partition(self, key: str) -> str:
        """The file of a partition; its presence says that the partition is done."""
        return storage.join(self.root, "partitions", f"{key}.arrow")

    def claim(self, plan: Mapping[str, Any]) -> None:
        """Make sure that the directory is empty, or a checkpoint of this plan, and sweep what was left half-written.

        Raises:
            OutputExistsError: It holds something else, or a checkpoint of another plan.
            StorageError: It cannot be written.
        """
        names = self._names()
        stored = self._stored_plan(names)
        if stored is None:
            self._refuse_strangers(names)
        elif changed := plan_changes(stored, plan):
            raise OutputExistsError(
                f"this is the checkpoint of another pipeline: {changed}",
                where=self.root,
                act="choose another checkpoint_path, or undo the change",
            )
        for name in names:
            if _TEMPORARY.search(name) and self._is_ours(name):
                storage.remove(storage.join(self.root, name))
        if stored is None:
            facts = {"checkpoint": FORMAT, **plan}
            with storage.write_atomic(self._plan_file) as file:
                file.write((json.dumps(facts, indent=2) + "\n").encode())

    def save(self, key: str, contents: Mapping[str, Any]) -> None:
        """Keep what belongs to a partition.

        Raises:
            OpaqueError: A value is of a kind that is not kept.
            StorageError: The file cannot be written.
        """
        packer = Packer()
        try:
            document = json.dumps(packer.plain(dict(contents)), allow_nan=False).encode()
        except RecursionError:
            raise OpaqueError("value nested too deep") from None
        payloads = [document, *packer.buffers]
        table = pa.table({"bytes": payloads, "crc32": [zlib.crc32(one) for one in payloads]}, schema=_SCHEMA)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with (
            storage.write_atomic(self.partition(key)) as file,
            pa.ipc.new_file(cast("IOBase", file), _SCHEMA, options=options) as writer,
        ):
            writer.write_table(table)

    def load(self, key: str) -> dict[str, Any] | None:
        """What belongs to a partition; None where it is not done, or its file is damaged, which is said."""
        url = self.partition(key)
        try:
            with storage.open(url) as file:
                table = pa.ipc.open_file(cast("IOBase", file)).read_all()
            table.validate(full=True)  # offsets that point elsewhere would be followed
            contents = _contents(table)
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 (damage shows as anything; computing anew is always right)
            logger.warning("{} is damaged, so its partition is run again: {}", redacted(url), error)
            return None
        return contents

    @property
    def _plan_file(self) -> str:
        return storage.join(self.root, "checkpoint.json")

    def _names(self) -> list[str]:
        """What lies there, by its name in the directory."""
        try:
            stored = storage.list(self.root)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise storage.storage_error(self.root, error, verb="be listed") from error
        return [one.url.removeprefix(storage.join(self.root, "")) for one in stored]

    def _stored_plan(self, names: list[str]) -> dict[str, Any] | None:
        """The plan as it was stored; None where there is none, or a damaged one beside partitions of ours."""
        if "checkpoint.json" not in names:
            return None
        try:
            with storage.open(self._plan_file) as file:
                facts = json.loads(file.read())
        except (OSError, ValueError, RecursionError) as error:
            if not any(_PARTITION.fullmatch(name) for name in names):
                self._refuse("checkpoint.json")
            # each partition knows its plan, so that nothing of another one is taken for this one's
            logger.warning("{} is damaged, and is written anew: {}", redacted(self._plan_file), error)
            return None
        if isinstance(facts, dict) and facts.get("checkpoint") == FORMAT:
            return facts
        return self._refuse("checkpoint.json")

    def _refuse_strangers(self, names: list[str]) -> None:
        for name in names:
            if not self._is_ours(name):
                self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        raise OutputExistsError(
            f"this holds {name!r}, which is no part of a checkpoint",
            where=self.root,
            act="choose an empty or new directory as checkpoint_path",
        )

    @staticmethod
    def _is_ours(name: str) -> bool:
        name = _TEMPORARY.sub("", name)
        return name == "checkpoint.json" or _PARTITION.fullmatch(name) is not None


def _contents(table: pa.Table) -> dict[str, Any]:
    """The contents of a partition's file."""
    data, sums = table["bytes"], table["crc32"]

    def payload(index: int) -> bytes:
        found: bytes = data[index].as_py()
        if zlib.crc32(found) != sums[index].as_py():
            raise _DamagedError(f"entry {index} is not what was written")
        return found

    contents = Unpacker(lambda number: payload(number + 1)).value(json.loads(payload(0)))
    if not isinstance(contents, dict):
        raise _DamagedError("it holds something else")
    return contents
