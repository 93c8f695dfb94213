"""Taking samples out of a delivered data set: only the shards that hold them are written anew, and the manifest.

The manifest first says which samples are being taken out and which shards end without any; only then is a shard
touched. A shard's kept members are read by their names from what is there, so that it does not matter whether an
interrupted removal had replaced its tar already; what that one was taking out is taken out too, whatever is asked for
next. The manifest is written as a whole data set's at the very end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import InputError, MissingInputError, VerificationError
from nemo_curator.runs.deciding import IdList
from nemo_curator.runs.exporting.copying import Block, Piece, members_of, spans, strings_of
from nemo_curator.runs.exporting.delivered import DeliveredFile
from nemo_curator.runs.exporting.documents import add_documents
from nemo_curator.runs.exporting.findings import Problems
from nemo_curator.runs.exporting.making import delivered_members
from nemo_curator.runs.exporting.manifest import (
    DOCUMENTS,
    INDEXES,
    REMOVING,
    delivered,
    exported_before,
    index_names,
    store_manifest,
)
from nemo_curator.runs.exporting.mds_index import write_indexes
from nemo_curator.runs.exporting.parquet import BLOCK_BYTES, BLOCK_ROWS, shard_facts
from nemo_curator.runs.exporting.resume import file_as_it_is, recorded_body
from nemo_curator.runs.exporting.settings import Format
from nemo_curator.runs.exporting.shard_check import ListedShard, leads_out
from nemo_curator.runs.exporting.shard_contents import ShardContents
from nemo_curator.runs.exporting.shards import ShardPlace, names_listed, remove_files, write_shard
from nemo_curator.runs.exporting.verify import listed_shards
from nemo_curator.shards.names import from_text
from nemo_curator.shards.parquet import read_table

_NAMED = 100
_HANDED = 64  # samples that are handed over at a time
_MOST_TEXT = 1 << 26  # characters of ids; a manifest has room for some times as many
_ADDED = ("shard", "split", "files", "original_key", "image", "sidecars")


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removal did, or would do.

    Attributes:
        removed: Samples taken out, with those of an interrupted removal that this one finishes, and those that were
            missing anyway and stay so.
        rewritten: Shards written anew.
        emptied: Shards that are gone, because nothing was left in them.
        unknown: Ids that the data set neither holds nor misses; the first hundred.
        unknown_count: How many there are.
    """

    removed: int
    rewritten: int
    emptied: int
    unknown: tuple[str, ...]
    unknown_count: int


def remove_samples(output: str, ids: IdList, *, write: bool = True) -> Removal:
    """Take samples out of a delivered data set.

    Killed at any moment, the same call again ends in the same bytes; until then `verify` says that the data set is
    not whole. A call with other ids finishes the interrupted removal as well.

    An id that is only listed under `missing` is taken off that list: no later export fills that gap.

    Args:
        output: The data set.
        ids: Which samples.
        write: Without it, only say what would happen.

    Raises:
        MissingInputError: There is no data set of ours.
        VerificationError: A shard is not what the manifest says, so that it cannot be written anew.
        InputError: These are more ids than a manifest has room for.
        StorageError: A file cannot be written.
    """
    manifest = delivered(output)
    if manifest is None:
        raise MissingInputError(
            "there is no whole data set of imagecurator to take samples out of",
            where=output,
            act="check the path; an export that was interrupted must be finished first",
        )
    work = _Work(output, manifest, frozenset(ids.ids.to_pylist()))
    work.look()
    unknown = [str(one) for one in ids.ids.to_pylist() if one not in work.found]
    removal = Removal(
        removed=len(work.found),
        rewritten=len(work.rewrite),
        emptied=len(work.empty),
        unknown=tuple(unknown[:_NAMED]),
        unknown_count=len(unknown),
    )
    if write and (work.found or REMOVING in manifest):
        work.carry_out()
    elif write and DOCUMENTS in manifest:  # they may be older than it, where the last removal was killed
        add_documents(output)
    return removal


class _Work:
    """One removal: what it comes to, and doing it."""

    def __init__(self, output: str, manifest: dict[str, Any], ids: frozenset[str | None]) -> None:
        self._output, self._manifest = output, manifest
        problems = Problems()
        try:
            before = exported_before(manifest)
            self._removed_before = int(manifest["removed"])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _not_whole(output, f"the manifest is not as it was written, {error}") from None
        self._form: Format = before.format
        self._before = before
        self._shards = listed_shards(manifest, problems)
        if problems.count:
            raise _not_whole(output, problems.told[0])
        begun = manifest.get(REMOVING)
        self._emptied_before, taken = _texts(begun, "emptied"), _texts(begun, "ids")
        self._ids = ids | taken
        self._missing = [one for one in before.missing if one.image_id not in self._ids]
        self._failed = [one for one in before.failed if one.image_id not in self._ids]
        left_out = (*before.missing, *before.failed)
        self.found: set[str] = set(taken).union(one.image_id for one in left_out if one.image_id in self._ids)
        self.rewrite: list[str] = []
        self.empty: list[str] = []

    def look(self) -> None:
        """Find the shards that hold the samples."""
        for shard in self._shards:
            rows = self._ids_in(shard)
            if rows is None:
                continue
            hit = self._ids.intersection(rows)
            self.found.update(one for one in hit if one is not None)
            if hit and len(hit) == len(rows):
                self.empty.append(shard.name)
            elif hit:
                self.rewrite.append(shard.name)

    def _ids_in(self, shard: ListedShard) -> list[str] | None:
        """Ids of a shard's samples; None where an interrupted removal had taken the last of them out."""
        location = storage.join(self._output, shard.rows.name)
        if shard.name in self._emptied_before and not storage.exists(location):
            return None
        try:
            return [str(one) for one in read_table(location, ["image_id"])["image_id"].to_pylist()]
        except (OSError, pa.ArrowException, LookupError) as error:
            raise _not_whole(self._output, f"{shard.rows.name} cannot be read ({error})") from None

    def carry_out(self) -> None:
        """Say in the manifest that it is not whole, write the shards, and then say what there is."""
        emptied = self._emptied_before.union(self.empty)
        if sum(len(one) for one in self.found) > _MOST_TEXT:
            raise InputError(
                f"{len(self.found):,} samples are too many to take out at once",
                where=self._output,
                act="split the list, or put it under `deny` in the recipe and export with --replace",
            )
        begun = {**self._manifest, REMOVING: {"emptied": sorted(emptied), "ids": sorted(self.found)}}
        if begun != self._manifest:
            store_manifest(self._output, begun)
        files: list[DeliveredFile] = []
        for shard in self._shards:
            if shard.name in emptied:
                self._remove(shard)
            elif shard.name in self.rewrite:
                files += self._written_anew(shard)
            else:
                files += self._as_it_is(shard)
        bodies = [one for one in files if self._form == "parquet" or not one.name.endswith(".parquet")]
        splits = dict.fromkeys(self._before.splits, 0)
        for one in bodies:
            split = one.name.rstrip("/").rpartition("/")[0]
            if split:
                splits[split] += one.samples
        samples = sum(one.samples for one in bodies)
        changed = {
            "samples": samples,
            "bytes": sum(one.bytes for one in bodies),
            "splits": splits,
            "removed": self._removed_before
            + (self._before.samples + len(self._before.missing) + len(self._before.failed))
            - (samples + len(self._missing) + len(self._failed)),
            "missing": [asdict(one) for one in self._missing],
            **({"failed": [asdict(one) for one in self._failed]} if "failed" in self._manifest else {}),
            "files": [asdict(one) for one in files],
            **self._indexed(files),
        }
        whole = {name: value for name, value in self._manifest.items() if name != REMOVING}
        store_manifest(self._output, whole | changed)
        if DOCUMENTS in whole:
            add_documents(self._output)

    def _indexed(self, files: Sequence[DeliveredFile]) -> dict[str, Any]:
        """What the manifest says of the indexes of these files, which are written."""
        if self._form != "mds":
            return {}
        written = write_indexes(self._output, files)
        empty = [storage.join(self._output, name) for name in index_names(self._manifest)]
        empty = sorted({*empty}.difference(storage.join(self._output, one.name) for one in written))
        for location in empty:
            storage.remove(location)
        storage.prune(empty, self._output)
        return {INDEXES: [asdict(one) for one in written]}

    def _remove(self, shard: ListedShard) -> None:
        """Remove a shard that nothing is left in; its Parquet, which says what it held, goes last."""
        rows = storage.join(self._output, shard.rows.name)
        if self._form == "folder":
            place = ShardPlace(self._output, shard.name, "", "", pa.schema([]))
            remove_files(place, self._inside(shard, names_listed(place)))
        elif self._form != "parquet":
            storage.remove(storage.join(self._output, shard.body.name))
        storage.remove(rows)
        storage.prune([rows], self._output)

    def _inside(self, shard: ListedShard, names: Iterable[str]) -> frozenset[str]:
        """Names of files in a shard's folder, none of which a link leads out of the data set."""
        found = frozenset(names)
        for name in found:
            if leads_out(self._output, storage.join(self._output, shard.name, from_text(name))):
                raise _not_whole(self._output, f"{shard.name}/{name} is a link that leads out of it")
        return found

    def _written_anew(self, shard: ListedShard) -> Sequence[DeliveredFile]:
        location = storage.join(self._output, shard.rows.name)
        facts = shard_facts(location) or {}
        with ShardContents(self._output, shard, self._form) as contents:
            gone = contents.rows_of(self._ids)
            files: list[Any] = contents.table["files"].to_pylist() if self._form == "folder" else []
            schema = pa.schema([one for one in contents.schema if one.name not in _ADDED])
            place = ShardPlace(
                output=self._output,
                name=shard.name,
                split=shard.name.rpartition("/")[0],
                plan=str(facts.get("plan", "")),
                schema=schema.remove_metadata(),
                removed=int(facts.get("removed", 0)) + len(gone),
                gone=self._inside(shard, (name for at in gone for name in files[at])) if files else frozenset(),
            )
            return write_shard(place, self._form, _kept(contents, self._ids)).files

    def _as_it_is(self, shard: ListedShard) -> Sequence[DeliveredFile]:
        """The entries of a shard without any of the samples, which an interrupted removal may have written anew."""
        location = storage.join(self._output, shard.rows.name)
        listed = [shard.rows] if self._form == "parquet" else [shard.body, shard.rows]
        if REMOVING not in self._manifest:
            return listed
        facts = shard_facts(location) or {}
        rows = file_as_it_is(self._output, shard.rows.name, int(facts.get("samples", -1)))
        if rows == shard.rows:
            return listed
        place = ShardPlace(self._output, shard.name, "", "", pa.schema([]))
        body = rows if self._form == "parquet" else recorded_body(place, facts, self._form)
        if rows is None or body is None:
            raise _not_whole(self._output, f"the shard {shard.name} is not whole")
        return [rows] if self._form == "parquet" else [body, rows]


def _texts(begun: Any, name: str) -> frozenset[str]:
    """A list in what the manifest says of an interrupted removal."""
    found = begun.get(name) if isinstance(begun, dict) else None
    return frozenset(one for one in found if isinstance(one, str)) if isinstance(found, list) else frozenset()


def _kept(contents: ShardContents, ids: frozenset[str | None]) -> Iterator[Block | Piece]:
    """The samples of a shard that stay, under the names that they have."""
    table = contents.table
    gone = set(contents.rows_of(ids))
    table = table.take([at for at in range(table.num_rows) if at not in gone])
    members = members_of(table)
    files: list[Any] = table["files"].to_pylist()
    names: list[list[str]] = [list(one) for one in files]
    primary: Any = table["primary"]
    firsts: list[int] = primary.fill_null(-1).to_pylist()
    delivered_as = delivered_members(table, members, firsts)
    lengths = np.array([sum(one.length for one in its) for its in delivered_as], np.int64)
    for start, stop in spans(lengths, BLOCK_ROWS, BLOCK_BYTES):
        rows = table.slice(start, stop - start)
        keys, own = strings_of(rows, "key"), rows["original_key"]
        known = rows.drop_columns([name for name in _ADDED if name in rows.column_names])
        at = known.column_names.index("key")
        yield Block(
            known.set_column(at, "key", own),
            strings_of(rows, "image_id"),
            keys,
            members[start:stop],
            names[start:stop],
            firsts[start:stop],
            delivered=delivered_as[start:stop],
        )
        for first in range(start, stop, _HANDED):
            last = min(stop, first + _HANDED)
            found = [contents.read(names[at], delivered_as[at]) for at in range(first, last)]
            yield Piece(first - start, list(found))


def _not_whole(output: str, cause: str) -> VerificationError:
    return VerificationError(
        "the data set is not what its manifest says, so nothing can be taken out of it",
        where=output,
        cause=cause,
        act="look with `imagecurator verify`, and export it again with --replace",
    )
