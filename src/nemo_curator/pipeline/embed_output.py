"""The output of `imagecurator embed`: whose it is, what stands there, and the manifest that says so.

What is ours is known by the run directory inside: its `run.json` says that this command writes there, and is written
before the first of these files. A name alone proves nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from nemo_curator import __version__, storage
from nemo_curator.errors import OutputExistsError
from nemo_curator.pipeline.places import Place, files_under, refuse_file, sort_files
from nemo_curator.runs.embedding_files import WrittenFile
from nemo_curator.runs.embedding_names import MANIFEST, EmbeddingSettings, files_of, is_our_name
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partition_ids
from nemo_curator.runs.state import RunState

FORMAT = "imagecurator-embeddings-1"
_MOST_BYTES = 1 << 26  # of a manifest; one of a million files is a tenth of it


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in an output.

    Attributes:
        manifest: The manifest; empty where there is none.
        is_same: Whether it is of the same settings, and of what the run holds now.
        is_whole: Whether all its files are there besides.
    """

    manifest: Mapping[str, Any] = field(default_factory=dict)
    is_same: bool = False
    is_whole: bool = False


def check_run(run: RunDirectory) -> None:
    """Refuse a run of another command: its recipe and verdicts are its user's.

    Raises:
        OutputExistsError: It is one.
    """
    state = RunState.read(run)
    if state is not None and (state.embeds is None or state.facts["exports"]):
        raise OutputExistsError(
            "this is a run of another command, which embeddings alone would undo",
            where=run.root,
            act="choose another OUTPUT; where the run has embeddings, they lie in its folder `embeddings`",
        )


def foreign_input(output: str) -> OutputExistsError:
    """The error about a run of another input."""
    return OutputExistsError(
        "these embeddings are of another input: no file of it is in the input that was given",
        where=output,
        act="choose another OUTPUT, or start anew in its place with --replace --rescore",
    )


def claim(output: str, run: RunDirectory, *, replace: bool = False) -> Place:
    """Make sure that embeddings may be written to an output; nothing is written.

    Args:
        output: The output folder or URL.
        run: The run directory inside.
        replace: Whether a folder with files of others may be used where no name is taken.

    Returns:
        What is there.

    Raises:
        OutputExistsError: It is a file, or holds files of others.
        StorageError: It cannot be listed.
    """
    refuse_file(output, "output")
    state = RunState.read(run)
    ours = state is not None and state.embeds is not None
    # beside what is ours on record, notes of a user are welcome, and nobody need look for them
    paths = [path for path in files_under(output, recursive=not ours) if not path.startswith("run/")]
    place = sort_files(output, paths, {path for path in paths if ours and is_our_name(path)}, is_our_name)
    place.refuse_foreign(replace=replace or ours)
    return place


def standing(output: str, run: RunDirectory, settings: EmbeddingSettings) -> Standing:
    """What stands in an output of ours."""
    state = RunState.read(run)
    manifest = _read_manifest(output)
    if state is None or state.embeds is None or manifest is None:
        return Standing()
    written_of = {"settings": settings.facts, "stamp": stamp_of(run, read_partition_ids(run))}
    sizes = {name: _size(output, name) for name in files_of(manifest)}
    there = {name: size for name, size in sizes.items() if size is not None}
    is_same = state.embeds == written_of and all(there[name] == files_of(manifest)[name] for name in there)
    return Standing(manifest, is_same, is_same and len(there) == len(sizes))


def refuse_other_result(there: Standing, output: str) -> None:
    """Refuse to write over a finished result that is not the one to be written.

    Raises:
        OutputExistsError: It is one.
    """
    if there.manifest and not there.is_same:
        raise OutputExistsError(
            "this holds finished embeddings, and they would be other ones now: of other settings, or there is more to "
            "embed since",
            where=output,
            act="choose another OUTPUT, or pass --replace to write these in their place (what is computed is used "
            "again)",
        )


def remove_output(output: str, run: RunDirectory) -> None:
    """Remove what an earlier or interrupted run of this command wrote, the manifest first; nothing else."""
    ours = claim(output, run, replace=True).ours
    for location in sorted(ours, key=lambda one: not one.endswith(f"/{MANIFEST}")):
        storage.remove(location)


def stamp_of(run: RunDirectory, partition_ids: Sequence[str]) -> str:
    """Changes whenever a part of a run, or its embeddings, are written anew."""
    digest = hashlib.sha256()
    for partition_id in partition_ids:
        for place in (run.part(partition_id), run.embeddings(partition_id)):
            digest.update(f"{partition_id} {_version(place)}\n".encode())
    return digest.hexdigest()


def write_manifest(
    output: str,
    *,
    model: str,
    dimension: int,
    images: int,
    unreadable: Mapping[str, int],
    files: Sequence[WrittenFile],
    settings: EmbeddingSettings,
    state: RunState,
) -> None:
    """Write `embeddings.json`. It holds no time, host or path.

    Raises:
        StorageError: It cannot be written.
    """
    manifest = {
        "manifest": FORMAT,
        "imagecurator": __version__,
        "model": model,
        "dimension": dimension,
        "dtype": settings.dtype,
        "images": images,
        "unreadable": dict(unreadable),
        "files": [asdict(one) for one in files],
        "computed": state.column_facts(EMBEDDING),
        "fingerprint": state.fingerprints[EMBEDDING],
    }
    with storage.write_atomic(storage.join(output, MANIFEST)) as file:
        file.write((json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))


def _read_manifest(output: str) -> dict[str, Any] | None:
    """The manifest; None where there is none, or none of ours."""
    try:
        with storage.open(storage.join(output, MANIFEST)) as file:
            manifest = json.loads(file.read(_MOST_BYTES))
        files_of(manifest)
        ours = manifest["manifest"] == FORMAT and {"model", "dimension", "images", "unreadable"} <= manifest.keys()
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return dict(manifest) if ours else None


def _size(output: str, name: str) -> int | None:
    try:
        return storage.stat(storage.join(output, name)).size
    except OSError:
        return None


def _version(place: str) -> str:
    try:
        stored = storage.stat(place)
    except OSError:
        return ""
    return f"{stored.size} {stored.version}"
