"""Whether a place may be written to: nothing of a user's is overwritten or deleted without being told to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nemo_curator import storage
from nemo_curator.errors import OutputExistsError, UnreadableError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.manifest import MANIFEST, is_delivered

_SHARD = re.compile(r"[0-9]{5,}\.(tar|parquet)")
_ANOTHER = "choose another OUTPUT, or pass --replace to remove the earlier result"


def claim(output: str, run: RunDirectory, inputs: Sequence[str], *, replace: bool) -> None:
    """Make sure that a run may write to its output.

    With `replace`, what an earlier run put there is removed; nothing else ever is.

    Args:
        output: The output folder or URL.
        run: The run directory.
        inputs: The inputs, which may not overlap with the output.
        replace: Whether an earlier result may be removed, and a foreign folder used.

    Raises:
        OutputExistsError: The output overlaps with an input, is a file, or holds something.
    """
    for place in sorted(set(inputs)):
        _refuse_overlap(output, place)
    if storage.exists(output) and not storage.stat(output).is_dir:
        raise OutputExistsError("this is a file, and the output is a folder", where=output, act="choose another OUTPUT")
    if replace:
        _remove_ours(output, run)
        return
    if is_delivered(output):
        raise OutputExistsError("this already holds a finished data set", where=output, act=_ANOTHER)
    foreign = _foreign(output, run)
    if foreign:
        raise OutputExistsError(
            f"this holds files that imagecurator did not put there, such as {foreign!r}",
            where=output,
            act="choose another OUTPUT, or pass --replace to write beside them",
        )


def sweep(output: str, run: RunDirectory) -> None:
    """Remove what an interrupted run left half-written in a claimed output; such files bear no final name."""
    for place in dict.fromkeys((output, run.root)):
        for path in _files(place):
            if storage.is_temporary(path):
                storage.remove(storage.join(place, path))


def _refuse_overlap(output: str, place: str) -> None:
    inner, outer = output.rstrip("/") + "/", place.rstrip("/") + "/"
    if inner == outer:
        raise OutputExistsError("input and output are the same place", where=output, act="choose another OUTPUT")
    if inner.startswith(outer):
        raise OutputExistsError(
            f"the output lies inside the input {place}",
            where=output,
            cause="the next run would read it as input",
            act="choose an OUTPUT beside it",
        )


def _files(output: str) -> list[str]:
    """Everything under the output, by its path inside it."""
    prefix = storage.join(output, "")
    try:
        return [stored.url.removeprefix(prefix) for stored in storage.list(output)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UnreadableError(f"the output cannot be listed: {error.strerror}", where=output) from None


def _is_ours(path: str, run_path: str) -> bool:
    if run_path and path.startswith(f"{run_path}/"):
        inside = path.removeprefix(f"{run_path}/")
        return inside.split("/")[0] in {"parts", "embeddings", "run.json", "partitions.parquet", "decisions.parquet",
                                        "report.html"} or storage.is_temporary(path)  # fmt: skip
    return path == MANIFEST or bool(_SHARD.fullmatch(path)) or storage.is_temporary(path)


def _run_path(output: str, run: RunDirectory) -> str:
    """The run directory's path inside the output; "" where it lies elsewhere."""
    prefix = storage.join(output, "")
    return run.root.removeprefix(prefix).rstrip("/") if run.root.startswith(prefix) else ""


def _foreign(output: str, run: RunDirectory) -> str:
    """The first file in the output that is not ours. Shards without a run directory of ours are not ours."""
    started = storage.exists(run.run_json)
    run_path = _run_path(output, run)
    for path in _files(output):
        if not started or not _is_ours(path, run_path):
            return path
    return ""


def _remove_ours(output: str, run: RunDirectory) -> None:
    """Remove an earlier result, its manifest first, so that what is left is never taken for whole."""
    ours = [path for path in _files(output) if _is_ours(path, _run_path(output, run))]
    for path in sorted(ours, key=lambda path: (path != MANIFEST, path)):
        storage.remove(storage.join(output, path))
    if not _run_path(output, run):
        for path in _files(run.root):
            if _is_ours(f"run/{path}", "run"):
                storage.remove(storage.join(run.root, path))
