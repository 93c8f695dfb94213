"""Whether a place may be written to: nothing of a user's is overwritten or deleted, told to replace or not.

What is ours is known by what we wrote: files that a manifest of ours lists, and files of our names where a `run.json`
of ours says that a run writes there. A name alone proves nothing: other people's shards are called `00000.tar` too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_curator import storage
from nemo_curator.errors import OutputExistsError
from nemo_curator.pipeline.shape import Shape
from nemo_curator.runs.exporting import MANIFEST, REMOVING, delivered, delivered_files, files_in, leftovers, shard_stem
from nemo_curator.runs.exporting.parquet import shard_facts
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import read_facts

_RUN_FILE = re.compile(
    r"run\.json|report\.html|(partitions|decisions)\.parquet|(parts|embeddings)/[0-9a-f]{16}\.parquet"
    r"|embeddings_npy/[0-9a-f]{16}\.npy"
)
_ANOTHER = "choose another OUTPUT, or pass --replace to write this one in its place"


def plain_place(place: str) -> str:
    """A path or URL without slashes at its end."""
    return place.rstrip("/") or place[:1]


def real_place(place: str) -> str:
    """The one spelling of a local place, without links, `..` and relative parts; a URL as it is."""
    if not storage.is_local(place):
        return plain_place(place)
    return str(Path(re.sub("^(file|local)://", "", place)).resolve())


def check_places(output: str, run: RunDirectory, inputs: Sequence[str]) -> None:
    """Make sure that the places of a run are different ones; nothing is written.

    Args:
        output: The output folder or URL.
        run: The run directory.
        inputs: The inputs, which may not overlap with either.

    Raises:
        OutputExistsError: Two of them overlap, or the output is a file.
    """
    check_run_place(run, inputs)
    _refuse_file(output, "output")
    for given in sorted(set(inputs)):
        _refuse_overlap(output, given, "output")
    if _path_inside(run.root, output) == "":
        raise OutputExistsError(
            "the run directory and the output are the same place", where=output, act="give --run another DIR"
        )


def check_run_place(run: RunDirectory, inputs: Sequence[str]) -> None:
    """Make sure that a run directory lies apart from its inputs.

    Raises:
        OutputExistsError: It does not.
    """
    for given in sorted(set(inputs)):
        _refuse_overlap(run.root, given, "run directory")


def claim_run(run: RunDirectory, output: str | None = None, *, replace: bool = False, write: bool = True) -> None:
    """Make sure that a run directory may be written to, and sweep what was left half-written there.

    Args:
        run: The run directory.
        output: An output that may lie inside it.
        replace: Whether a foreign folder may be used where no name is taken.
        write: Whether to sweep; without it nothing is written.

    Raises:
        OutputExistsError: It is a file, or holds something else.
        StorageError: It cannot be listed.
    """
    place = _run_place(run, output)
    if read_facts(run) is None:  # in a run of ours, notes and data sets of a user are welcome
        place.refuse_foreign(replace=replace)
    if write:
        place.sweep()


def remove_run(run: RunDirectory, output: str | None = None) -> None:
    """Remove all that a run put into its directory, and nothing else.

    Shards of an export that was never finished go first: nothing but the run says whose they are.
    """
    if output is not None and delivered_files(output) is None:
        _remove(_output_place(output, run).ours, output)
    _remove(_run_place(run, output).ours, run.root)


def claim_output(
    output: str, run: RunDirectory, shape: Shape, *, replace: bool = False, gaps: bool = False, write: bool = True
) -> None:
    """Make sure that an export may write to its output, and sweep what was left half-written there.

    With `replace`, an earlier data set of ours is removed; nothing else ever is, and the run directory stays.

    Args:
        output: The output folder or URL.
        run: The run directory, which may lie inside it.
        shape: The names that the export will give to its files.
        replace: Whether an earlier data set may be removed, and a foreign folder used where no name is taken.
        gaps: Whether the data set that is there is the one to be written, with samples missing.
        write: Whether to remove and sweep; without it nothing is written.

    Raises:
        OutputExistsError: It is a file, or holds something.
        StorageError: It cannot be listed, or an earlier data set cannot be removed.
    """
    place = _output_place(output, run, shape)
    if not (replace or gaps) and delivered_files(output) is not None:
        if REMOVING in (delivered(output) or {}):
            raise OutputExistsError(
                "samples were being taken out of this data set", where=output, act="run the same `remove` again first"
            )
        raise OutputExistsError("this already holds a finished data set", where=output, act=_ANOTHER)
    # beside what is ours on record, notes of a user are welcome
    place.refuse_foreign(replace=replace or gaps or bool(_unfinished(output, run)))
    if write:
        if replace:
            _remove(place.ours, place.root)
        place.sweep()


def sweep_run(run: RunDirectory) -> None:
    """Remove what a decision or an export left half-written in a run directory, without looking at its parts.

    Raises:
        StorageError: It cannot be listed, or a file cannot be removed.
    """
    _sweep(run.root, lambda name: bool(_RUN_FILE.fullmatch(name)), recursive=False)


def sweep_output(output: str) -> None:
    """Remove what was left half-written in a data set of ours.

    Raises:
        StorageError: It cannot be listed, or a file cannot be removed.
    """
    if delivered_files(output) is not None:
        _sweep(output, lambda path: path == MANIFEST or shard_stem(path) is not None)


def _sweep(root: str, by_name: Callable[[str], bool], *, recursive: bool = True) -> None:
    for path in _files(root, recursive=recursive):
        if storage.is_temporary(path) and by_name(_final(path)):
            storage.remove(storage.join(root, path))


def remove_leftovers(output: str, run: RunDirectory, delivered: Collection[str]) -> None:
    """Remove shards that an interrupted export with other settings left in a claimed output."""
    shapes = _unfinished(output, run)
    listed: dict[str, set[str]] = {}
    found = []
    for path in leftovers(_files(output), delivered):
        if not any(one.names(path) for one in shapes):
            continue
        folder = f"{shard_stem(path)}/"
        if path.startswith(folder):  # a user's file in a folder of ours is not ours
            if folder not in listed:
                listed[folder] = set(files_in(output, folder))
            if path not in listed[folder]:
                continue
        found.append(storage.join(output, path))
    for location in found:
        storage.remove(location)
    storage.prune(found, output)


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder that a run writes to, and the files in it, by their paths inside.

    Attributes:
        root: The folder.
        ours: Full places of what an earlier run of ours wrote.
        taken: Files of others under names that we write.
        foreign: Other files of others.
        temporary: Files under names that we write, which were never finished.
    """

    root: str
    ours: tuple[str, ...]
    taken: tuple[str, ...]
    foreign: tuple[str, ...]
    temporary: tuple[str, ...]

    def sweep(self) -> None:
        """Remove what was never finished."""
        for path in self.temporary:
            storage.remove(storage.join(self.root, path))

    def refuse_foreign(self, *, replace: bool) -> None:
        """Refuse files that are not ours: all of them, or with `replace` those that would be overwritten."""
        if self.taken and replace:
            raise OutputExistsError(
                f"this holds files that imagecurator did not put there and would overwrite, such as {self.taken[0]!r}",
                where=self.root,
                act="choose another place, or move them away",
            )
        if (self.taken or self.foreign) and not replace:
            raise OutputExistsError(
                f"this holds files that imagecurator did not put there, such as {(self.taken + self.foreign)[0]!r}",
                where=self.root,
                act="choose another place; `run` and `export` write beside them with --replace where no name is taken",
            )


def standing_shape(output: str, run: RunDirectory) -> Shape | None:
    """The names of the data set that stands there, with its manifest or without; None where there is none of ours."""
    manifest = delivered(output)
    if manifest is not None:
        return Shape.of(str(manifest.get("format")), (str(one["name"]) for one in manifest["files"]))
    names = _by_their_parquet(output, run, _files(output))
    if not names:
        return None
    other = {name.removeprefix(shard_stem(name) or "")[:1] + name.rpartition(".")[2] for name in names}
    form = "webdataset" if ".tar" in other else "folder" if any(one.startswith("/") for one in other) else "parquet"
    return Shape.of(form, {stem for name in names if (stem := shard_stem(name)) is not None})


def _unfinished(output: str, run: RunDirectory) -> list[Shape]:
    """The names of what exports of this run may have left there; none where a data set was finished since."""
    facts = read_facts(run)
    entries = facts["exports"] if facts is not None else []
    shapes = [
        Shape.read(shape)
        for one in entries
        if one.get("output") == real_place(output) and "export" not in one
        for shape in one.get("shapes") or ()
    ]
    return [shape for shape in shapes if shape is not None]


def _by_their_parquet(output: str, run: RunDirectory, paths: Sequence[str]) -> set[str]:
    """Shards of a data set of this run that lost its manifest: known by what their Parquet says of them."""
    facts = read_facts(run)
    entries = facts["exports"] if facts is not None else []
    plans = {one["export"] for one in entries if one.get("output") == real_place(output) and "export" in one}
    shards: dict[str, Mapping[str, Any] | None] = {}
    known = set()
    for path in paths if plans else ():
        stem = shard_stem(path)
        if stem is None:
            continue
        if stem not in shards:
            shards[stem] = shard_facts(storage.join(output, f"{stem}.parquet"))
        said = shards[stem]
        if said is not None and said.get("plan") in plans and _is_said(output, path, said):
            known.add(path)
    return known


def _is_said(output: str, path: str, said: Mapping[str, Any]) -> bool:
    """Whether a file can be the one that its shard's Parquet speaks of: a tar has the length that it notes."""
    if not path.endswith(".tar"):
        return True
    data = said.get("data")
    try:
        return isinstance(data, Mapping) and storage.stat(storage.join(output, path)).size == data.get("bytes")
    except OSError:
        return False


def _output_place(output: str, run: RunDirectory, shape: Shape | None = None) -> _Place:
    """The output without the run directory inside it."""
    _refuse_file(output, "output")
    inner = _path_inside(run.root, output)
    paths = [path for path in _files(output) if inner is None or not path.startswith(f"{inner}/")]
    shapes = _unfinished(output, run)
    known = {path for path in paths if any(one.names(path) for one in shapes)}
    listed = delivered_files(output)
    if listed is not None:
        known |= {MANIFEST, *listed}
    else:
        known |= _by_their_parquet(output, run, paths)
    written = [*shapes, *([shape] if shape is not None else [])]
    return _place(output, paths, known, lambda path: any(one.names(path) for one in written))


def _run_place(run: RunDirectory, output: str | None) -> _Place:
    """The run directory without the output inside it."""
    _refuse_file(run.root, "run directory")
    inner = _path_inside(output, run.root) if output is not None else None
    paths = [path for path in _files(run.root) if inner is None or not path.startswith(f"{inner}/")]
    known = {path for path in paths if _RUN_FILE.fullmatch(path)} if read_facts(run) is not None else set()
    return _place(run.root, paths, known, lambda path: bool(_RUN_FILE.fullmatch(path)))


def _place(root: str, paths: Sequence[str], known: Collection[str], by_name: Callable[[str], bool]) -> _Place:
    unfinished = {path for path in paths if storage.is_temporary(path) and by_name(_final(path))}
    others = [path for path in paths if path not in known and path not in unfinished]
    return _Place(
        root,
        ours=tuple(storage.join(root, path) for path in paths if path in known),
        taken=tuple(path for path in others if by_name(path)),
        foreign=tuple(path for path in others if not by_name(path)),
        temporary=tuple(sorted(unfinished)),
    )


def _final(path: str) -> str:
    """The name that a file which was never finished would have had."""
    return path.rpartition(".tmp-")[0]


def _remove(locations: Sequence[str], root: str) -> None:
    """Remove an earlier result, in an order that makes a removal which was cut short visible and repeatable.

    The manifest goes first, so that what is left is never taken for whole; the `run.json` that says whose it is, last.
    """
    first = [location for location in locations if location.endswith(f"/{MANIFEST}")]
    last = [location for location in locations if location.endswith("/run.json")]
    # a Parquet says whose the files beside it are, so it goes behind them
    rest = sorted({*locations} - {*first, *last}, key=lambda one: (one.endswith(".parquet"), one))
    for location in [*first, *rest, *last]:
        storage.remove(location)
    storage.prune(locations, root)


def _refuse_overlap(place: str, given: str, what: str) -> None:
    if _path_inside(place, given) == "":
        raise OutputExistsError(f"input and {what} are the same place", where=place, act="choose another one")
    if _path_inside(place, given) is not None:
        raise OutputExistsError(
            f"the {what} lies inside the input {given}",
            where=place,
            cause="the next run would read it as input",
            act="choose one beside it",
        )
    if _path_inside(given, place) is not None:
        raise OutputExistsError(
            f"the input {given} lies inside the {what}",
            where=place,
            cause="results would stand among the sources",
            act="choose one beside it",
        )


def _refuse_file(place: str, what: str) -> None:
    if storage.exists(place) and not storage.is_directory(place):
        raise OutputExistsError(f"this is a file, and the {what} is a folder", where=place, act="choose another one")


def _path_inside(inner: str, outer: str) -> str | None:
    """The path of one place inside another; "" where they are the same, None where it is elsewhere."""
    one, other = real_place(inner), real_place(outer)
    if one == other:
        return ""
    prefix = storage.join(other, "")
    return one.removeprefix(prefix) if one.startswith(prefix) else None


def _files(place: str, *, recursive: bool = True) -> list[str]:
    """Everything under a folder, by its path inside it; what lies behind a link to a folder is not in it."""
    prefix = storage.join(place, "")
    try:
        found = [stored.url.removeprefix(prefix) for stored in storage.list(place, recursive=recursive)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise storage.storage_error(place, error, verb="be listed") from None
    if not storage.is_local(place):
        return found
    real: dict[str, bool] = {"": True}
    return [path for path in found if _inside_really(storage.local_path(place), path.rpartition("/")[0], real)]


def _inside_really(place: str, folder: str, known: dict[str, bool]) -> bool:
    """Whether a folder below a place is reached without a link; answers are kept in `known`."""
    if folder not in known:
        above = folder.rpartition("/")[0]
        known[folder] = _inside_really(place, above, known) and not Path(place, folder).is_symlink()
    return known[folder]
