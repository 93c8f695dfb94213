"""The inputs of a run to the files that it has to account for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from nemo_curator import storage
from nemo_curator.errors import DuplicateIdError, EmptyInputError, InputError, MissingInputError, UnreachableError
from nemo_curator.shards.classify import HEAD_BYTES, Classified, File, classify
from nemo_curator.shards.entry import Entry, entry_at
from nemo_curator.shards.lance_fragments import lance_entries, lance_places
from nemo_curator.shards.names import (
    is_arrow_name,
    is_tar_name,
    relative_path,
    shard_stem,
    split_loose,
    to_text,
    with_name,
)
from nemo_curator.shards.rows_of_images import holds_images
from nemo_curator.shards.saved_datasets import MOST_BYTES, beside_the_data
from nemo_curator.shards.url_tables import refuse_url_tables

_NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)=(.+)", re.DOTALL)
_GIVE = "give a directory, a tar, a Parquet of images or an image"
_ABOUT_NAMES = "give one of them a name of its own: NAME=PATH"


@dataclass(frozen=True, slots=True)
class Listing:
    """What there is to read.

    Attributes:
        entries: Inputs in the order given, their files sorted bytewise by relative path.
        ignored: Id-like path (behind the input's name) and reason of each file that is nothing to account for.
        closed: Id-like paths of folders that cannot be listed. Each has an entry too, but nobody knows what is in it.
    """

    entries: tuple[Entry, ...]
    ignored: tuple[tuple[str, str], ...] = ()
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Input:
    """One INPUT argument.

    Attributes:
        place: Path or URL, without a slash at the end.
        name: Name given or made up, "" for none.
        is_dir: Whether it is a directory.
    """

    place: str
    name: str
    is_dir: bool


def list_inputs(inputs: Sequence[str]) -> Listing:
    """List the inputs: directories (with all below them), tars, Parquet files of images, Lance data sets, loose images.

    Args:
        inputs: Paths or URLs, each optionally `NAME=PATH`. A name prefixes the ids of its input. Of several inputs,
            directories without one are named by their last path component; a file needs none, because its ids begin
            with its file name. An image given by itself brings the sidecars that lie beside it.

    Raises:
        MissingInputError: There is nothing at a path.
        EmptyInputError: There is nothing to account for in an input, or no input at all.
        DuplicateIdError: Two inputs would get the same ids.
        InputError: An input cannot be listed, or is a list of URLs.
        MissingExtraError: There is a Lance data set, and the package that reads them is not installed.
    """
    if not inputs:
        raise EmptyInputError("no input is given", act=_GIVE)
    parsed = [_parsed(argument, several=len(inputs) > 1) for argument in inputs]
    _check_names(parsed)
    loose, ignored = _files([one for one in parsed if not one.is_dir])
    entries: list[Entry] = []
    closed: list[str] = []
    for one in parsed:
        if one.is_dir:
            found, passed, shut = _directory(one)
            entries += found
            ignored += passed
            closed += shut
        elif one in loose:
            refuse_url_tables([loose[one]], one.place)
            entries.append(loose[one])
    if not entries:
        raise EmptyInputError(
            "there is no image and no shard in it",
            where=", ".join(one.place for one in parsed),
            cause=f"{len(ignored)} files are documents about data",
            act=_GIVE,
        )
    _check_ids(entries)
    return Listing(tuple(entries), tuple(ignored), tuple(closed))


def _parsed(argument: str, *, several: bool) -> _Input:
    match = _NAMED.fullmatch(argument)
    name, place = "", argument
    if match and ("://" in match[2] or not storage.exists(argument)):  # a path may have a = in it
        name, place = match.groups()
    place = storage.local_path(place)  # listing gives plain paths, which must lie under a plain root
    while place.endswith("/") and len(place) > 1 and not place.endswith("://"):
        place = place[:-1]
    try:
        is_dir = storage.stat(place).is_dir
    except (FileNotFoundError, NotADirectoryError) as error:
        cause = "" if storage.is_local(place) else str(error.strerror or "")
        raise MissingInputError(
            "there is nothing at this path", where=place, cause=cause, act=_suggestion(place)
        ) from None
    except OSError as error:
        raise _unlistable(place, error) from error
    if is_dir and several and not name:
        base = place.rsplit("/", 1)[-1]
        if base in {"", ".", ".."} and storage.is_local(place):
            base = Path(place).resolve().name
        name = to_text(base) or "input"
    return _Input(place, name, is_dir)


def _check_names(inputs: Sequence[_Input]) -> None:
    """Directories, and files with a name of their own, each have a room for their ids; no two may share it."""
    owners: dict[str, str] = {}
    for one in inputs:
        if one.is_dir and owners.setdefault(one.name, one.place) is not one.place:
            both = f"{owners[one.name]} and {one.place}"
            raise DuplicateIdError(f"two inputs have the name {one.name!r}", where=both, act=_ABOUT_NAMES)


def _check_ids(entries: Sequence[Entry]) -> None:
    owners: dict[tuple[bool, str], str] = {}
    for entry in entries:
        image_id = with_name(entry.name, shard_stem(entry.path)) if entry.is_shard else entry.image_id
        owner = owners.setdefault((entry.is_shard, image_id), entry.location)
        if owner is not entry.location:
            raise DuplicateIdError(
                f"two inputs would get the same ids, {image_id + '/…' if entry.is_shard else image_id!r}",
                where=f"{owner} and {entry.location}",
                act=f"rename or leave out one of them, or {_ABOUT_NAMES}",
            )


def _directory(one: _Input) -> tuple[list[Entry], list[tuple[str, str]], list[str]]:
    """Entries and ignored files of a directory, and the folders in it that cannot be listed."""
    try:
        found = storage.list(one.place)
    except OSError as error:
        raise _unlistable(one.place, error) from error
    files: list[File] = []
    ignored: list[tuple[str, str]] = []
    for stored in found:
        path = relative_path(stored.url, one.place)
        if stored.kind == "loop":
            ignored.append((path, "a link to a directory that is listed elsewhere"))
        elif storage.is_temporary(path):
            ignored.append((path, "a file that was never finished"))
        else:
            files.append(File(path, stored.url, stored.size, stored.kind == "file", stored.version))
    places = lance_places([one.url for one in found])
    files = [one for one in files if not any(one.location.startswith(f"{place}/") for place in places)]
    saved = _beside_the_data(files)
    ignored += saved.items()
    classified = classify([file for file in files if file.path not in saved], _peek, _holds_images)
    ignored += classified.ignored
    ranges = [entry for place in places for entry in lance_entries(place, one.place, one.name)]
    entries = sorted([*_entries(classified, one), *ranges], key=lambda entry: entry.path.encode())
    if not entries:
        cause = f"{len(ignored)} files in it are ignored, {ignored[0][0]!r} for one" if ignored else "it holds no file"
        raise EmptyInputError("there is no image and no shard in it", where=one.place, cause=cause, act=_GIVE)
    refuse_url_tables(entries, one.place)
    shut = sorted(relative_path(stored.url, one.place) for stored in found if stored.kind == "unreadable")
    named = [(with_name(one.name, path), reason) for path, reason in sorted(ignored)]
    return entries, named, [with_name(one.name, path) for path in shut]


def _beside_the_data(files: Sequence[File]) -> dict[str, str]:
    """Files of data sets that `datasets` saved which are no data, with the reason."""
    if not any(is_arrow_name(file.path) for file in files):
        return {}
    readable = {file.path: file.location for file in files if file.readable}

    def read(path: str) -> bytes:
        try:
            return storage.read_range(readable[path], 0, MOST_BYTES) if path in readable else b""
        except OSError:  # it is told when it is read as what it then is
            return b""

    return beside_the_data([file.path for file in files], read)


def _entries(classified: Classified, one: _Input) -> Iterator[Entry]:
    root = one.place if one.is_dir else ""
    for file in classified.tars:
        yield Entry(file.location, root, one.name, file.path, "tar", file.size, version=file.version)
    for file in classified.parquets:
        yield Entry(file.location, root, one.name, file.path, "parquet", file.size, version=file.version)
    for file in classified.arrows:
        yield Entry(file.location, root, one.name, file.path, "arrow", file.size, version=file.version)
    for file, sidecars in classified.images:
        yield Entry(file.location, root, one.name, file.path, "image", file.size, sidecars, file.version)
    for file in classified.strays:
        yield Entry(file.location, root, one.name, file.path, "stray", file.size, version=file.version)


def _files(inputs: Sequence[_Input]) -> tuple[dict[_Input, Entry], list[tuple[str, str]]]:
    """Entries of the inputs that are files (none for the sidecar of another one), and the ignored ones."""
    folders: dict[str, dict[str, _Input]] = defaultdict(dict)
    for one in inputs:
        folder, slash, base = one.place.rpartition("/")
        if base in folders[folder + slash]:
            raise DuplicateIdError("the same file is given twice", where=one.place, act="give it once")
        folders[folder + slash][base] = one
    entries: dict[_Input, Entry] = {}
    ignored: list[tuple[str, str]] = []
    for folder, given in folders.items():
        classified = classify(_with_siblings(folder, given), _peek, _holds_images)
        by_path = {to_text(base): one for base, one in given.items()}
        for path, reason in classified.ignored:
            hit = by_path.get(path)
            if hit and reason == "hidden":  # somebody who names a hidden file means it
                entries[hit] = entry_at(hit.place, name=hit.name)
            elif hit:
                ignored.append((with_name(hit.name, path), reason))
        nobody = _Input(folder, "", is_dir=False)
        for entry in _entries(classified, nobody):
            if entry.path in by_path:
                one = by_path[entry.path]
                entries[one] = replace(entry, name=one.name)
    return entries, ignored


def _with_siblings(folder: str, given: Iterable[str]) -> list[File]:
    """The given files of a folder, and what lies beside them under the same stems."""
    stems = {split_loose(base)[0] for base in given}
    found = None if all(map(is_tar_name, given)) else _listed(folder)  # nothing beside a tar belongs to it
    if found is None:
        found = [storage.stat(folder + base) for base in sorted(given)]
    files = []
    for stored in found:
        base = stored.url.rsplit("/", 1)[-1]
        beside = stored.kind == "file" and split_loose(base)[0] in stems and not storage.is_temporary(base)
        beside = beside and not is_tar_name(base)  # nobody's sidecar, and a Parquet that is named is not one of it
        if base in given or beside:
            files.append(File(to_text(base), folder + base, stored.size, stored.kind == "file", stored.version))
    return files


def _listed(folder: str) -> list[storage.Stored] | None:
    """The files of a folder; None where it is closed to listing, and its files may still be open."""
    try:
        return storage.list(folder or ".", recursive=False)
    except OSError:
        return None
    except UnreachableError:
        return None


def _peek(file: File) -> bytes:
    try:
        return storage.read_range(file.location, 0, HEAD_BYTES)
    except OSError:  # the reader will say so in the file's record
        return b""


def _holds_images(file: File) -> bool:
    return holds_images(file.location)


def _suggestion(place: str) -> str:
    folder, slash, base = place.rpartition("/")
    try:
        there = (
            [path.name for path in Path((folder or "/") if slash else ".").iterdir()] if storage.is_local(place) else []
        )
        close = get_close_matches(base, there)
    except OSError:
        close = []
    return f"did you mean {close[0]!r}?" if close else "check the path"


def _unlistable(place: str, error: OSError) -> InputError:
    return InputError("it cannot be read", where=place, cause=error.strerror or str(error), act="check its permissions")
