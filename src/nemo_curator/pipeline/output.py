"""Whether a place may be written to: nothing of a user's is overwritten or deleted, told to replace or not.

What is ours is known by what we wrote: files that a manifest of ours lists, and files of our names where a `run.json`
of ours says that a run writes there. A name alone proves nothing: other people's shards are called `00000.tar` too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from nemo_curator import storage
from nemo_curator.errors import OutputExistsError
from nemo_curator.pipeline.places import (
    Place,
    files_under,
    final_name,
    path_inside,
    real_place,
    refuse_file,
    refuse_secret,
    sort_files,
)
from nemo_curator.pipeline.shape import Shape
from nemo_curator.runs.exporting import (
    DOCUMENT_NAMES,
    INDEX,
    MANIFEST,
    REMOVING,
    delivered,
    delivered_files,
    files_in,
    is_index,
    leftovers,
    lists_only,
    shard_stem,
)
from nemo_curator.runs.exporting.parquet import shard_facts
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import read_facts

_SCORED = r"run\.json|partitions\.parquet|(parts|embeddings)/[0-9a-f]{16}\.parquet|embeddings_npy/[0-9a-f]{16}\.npy"
_RUN_FILE = re.compile(
    rf"(protect/[\w.-]+/)?({_SCORED})|report\.html|profile\.svg|(decisions|leaks)\.parquet"
    r"|pairs/(copies|turned|similar)(-(protect|against)-[\w.-]+)?\.parquet"
    r"|index/(copies|similar)/([a-z_]+\.npy|facts\.json)",
    re.ASCII,
)
_ANOTHER = "choose another OUTPUT, or pass --replace to write this one in its place"


def check_places(output: str, run: RunDirectory, inputs: Sequence[str]) -> None:
    """Make sure that the places of a run are different ones; nothing is written.

    Args:
        output: The output folder or URL.
        run: The run directory.
        inputs: The inputs, which may not overlap with either.

    Raises:
        OutputExistsError: Two of them overlap, or the output is a file.
        InputError: One holds a password or a token.
    """
    check_run_place(run, inputs)
    refuse_secret(output)
    storage.refuse_read_only(output)
    refuse_file(output, "output")
    for given in sorted(set(inputs)):
        _refuse_overlap(output, given, "output")
    if path_inside(run.root, output) == "":
        raise OutputExistsError(
            "the run directory and the output are the same place", where=output, act="give --run another DIR"
        )


def check_run_place(run: RunDirectory, inputs: Sequence[str]) -> None:
    """Make sure that a run directory lies apart from its inputs.

    Raises:
        OutputExistsError: It does not.
        InputError: One of them holds a password or a token.
    """
    refuse_secret(run.root)
    storage.refuse_read_only(run.root)
    for given in sorted(set(inputs)):
        refuse_secret(given)
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
    for folder in ("", "pairs/", "index/copies/", "index/similar/"):
        _sweep(storage.join(run.root, folder) if folder else run.root, _of_run(folder), recursive=False)


def _of_run(folder: str) -> Callable[[str], bool]:
    return lambda name: bool(_RUN_FILE.fullmatch(f"{folder}{name}"))


def sweep_output(output: str) -> None:
    """Remove what was left half-written in a data set of ours.

    Raises:
        StorageError: It cannot be listed, or a file cannot be removed.
    """
    if delivered_files(output) is not None:
        _sweep(
            output, lambda path: path in (MANIFEST, *DOCUMENT_NAMES) or is_index(path) or shard_stem(path) is not None
        )


def _sweep(root: str, by_name: Callable[[str], bool], *, recursive: bool = True) -> None:
    for path in files_under(root, recursive=recursive):
        if storage.is_temporary(path) and by_name(final_name(path)):
            storage.remove(storage.join(root, path))


def remove_leftovers(output: str, run: RunDirectory, delivered: Collection[str]) -> None:
    """Remove shards and indexes that an interrupted export with other settings left in a claimed output.

    Args:
        output: The output.
        run: The run directory.
        delivered: Names of what is delivered, indexes included.
    """
    shapes = _unfinished(output, run)
    listed: dict[str, set[str]] = {}
    found = []
    paths = files_under(output)
    for path in leftovers(paths, delivered):
        if not any(one.names(path) for one in shapes):
            continue
        folder = f"{shard_stem(path)}/"
        if path.startswith(folder):  # a user's file in a folder of ours is not ours
            if folder not in listed:
                listed[folder] = set(files_in(output, folder))
            if path not in listed[folder]:
                continue
        found.append(storage.join(output, path))
    found += [
        storage.join(output, path)
        for path in paths
        if is_index(path) and path not in delivered and any(one.names(path) for one in shapes)
    ]
    for location in found:
        storage.remove(location)
    storage.prune(found, output)


def standing_shape(output: str, run: RunDirectory) -> Shape | None:
    """The names of the data set that stands there, with its manifest or without; None where there is none of ours."""
    manifest = delivered(output)
    if manifest is not None:
        return Shape.of(str(manifest.get("format")), (str(one["name"]) for one in manifest["files"]))
    names = _by_their_parquet(output, run, files_under(output))
    if not names:
        return None
    other = {name.removeprefix(shard_stem(name) or "")[:1] + name.rpartition(".")[2] for name in names}
    forms = {".tar": "webdataset", ".mds": "mds"}
    form = next((forms[one] for one in sorted(other & forms.keys())), "")
    form = form or ("folder" if any(one.startswith("/") for one in other) else "parquet")
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
    for path in paths if known else ():
        folder, _, name = path.rpartition("/")
        if name == INDEX and lists_only(storage.join(output, path), _names_in(folder, known)):
            known.add(path)
    return known


def _names_in(folder: str, paths: Collection[str]) -> set[str]:
    return {name for one in paths for above, _, name in [one.rpartition("/")] if above == folder}


def _is_said(output: str, path: str, said: Mapping[str, Any]) -> bool:
    """Whether a file can be the one that its shard's Parquet speaks of: a tar has the length that it notes."""
    if not path.endswith((".tar", ".mds")):
        return True
    data = said.get("data")
    try:
        return isinstance(data, Mapping) and storage.stat(storage.join(output, path)).size == data.get("bytes")
    except OSError:
        return False


def _output_place(output: str, run: RunDirectory, shape: Shape | None = None) -> Place:
    """The output without the run directory inside it."""
    refuse_file(output, "output")
    inner = path_inside(run.root, output)
    paths = [path for path in files_under(output) if inner is None or not path.startswith(f"{inner}/")]
    shapes = _unfinished(output, run)
    known = {path for path in paths if any(one.names(path) for one in shapes)}
    listed = delivered_files(output)
    if listed is not None:
        known |= {MANIFEST, *listed}
    else:
        known |= _by_their_parquet(output, run, paths)
    written = [*shapes, *([shape] if shape is not None else [])]
    return sort_files(output, paths, known, lambda path: any(one.names(path) for one in written))


def _run_place(run: RunDirectory, output: str | None) -> Place:
    """The run directory without the output inside it."""
    refuse_file(run.root, "run directory")
    inner = path_inside(output, run.root) if output is not None else None
    paths = [path for path in files_under(run.root) if inner is None or not path.startswith(f"{inner}/")]
    known = {path for path in paths if _RUN_FILE.fullmatch(path)} if read_facts(run) is not None else set()
    return sort_files(run.root, paths, known, lambda path: bool(_RUN_FILE.fullmatch(path)))


def _remove(locations: Sequence[str], root: str) -> None:
    """Remove an earlier result, in an order that makes a removal which was cut short visible and repeatable.

    The manifest goes first, so that what is left is never taken for whole, but for the documents that nothing else says
    are ours; the `run.json` that says whose it is, last.
    """
    documents = {storage.join(root, name) for name in DOCUMENT_NAMES}
    first = [location for location in locations if location in documents]
    first += [location for location in locations if location.endswith(f"/{MANIFEST}")]
    last = [location for location in locations if location.endswith("/run.json")]
    # a Parquet says whose the files beside it are, so it goes behind them
    rest = sorted({*locations} - {*first, *last}, key=lambda one: (one.endswith(".parquet"), one))
    for location in [*first, *rest, *last]:
        storage.remove(location)
    storage.prune(locations, root)


def _refuse_overlap(place: str, given: str, what: str) -> None:
    if path_inside(place, given) == "":
        raise OutputExistsError(f"input and {what} are the same place", where=place, act="choose another one")
    if path_inside(place, given) is not None:
        raise OutputExistsError(
            f"the {what} lies inside the input {given}",
            where=place,
            cause="the next run would read it as input",
            act="choose one beside it",
        )
    if path_inside(given, place) is not None:
        raise OutputExistsError(
            f"the input {given} lies inside the {what}",
            where=place,
            cause="results would stand among the sources",
            act="choose one beside it",
        )
