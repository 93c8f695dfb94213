"""Images that were given up because each cost two workers, noted while their partition is not done yet.

A run that is killed after such a verdict must come to the same one when it goes on, although another try might end
otherwise on a machine that is less busy. Once the part is written, the part itself holds the verdict.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator import storage
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import read_part

DIED = "worker_died"
"""Error code of such an image."""

_IMAGES, _MARK = "images", "mark"


def note_condemned(run: RunDirectory, partition_id: str, images: Mapping[str, str], mark: str) -> None:
    """Write down all images of a partition that were given up so far.

    Args:
        run: The run directory.
        partition_id: The partition.
        images: Image id to why.
        mark: What the verdict is bound to: it holds for the same files, computed in the same way.

    Raises:
        StorageError: The note cannot be written.
    """
    text = json.dumps({_MARK: mark, _IMAGES: dict(images)}, indent=1, sort_keys=True)
    with storage.write_atomic(run.condemned(partition_id)) as file:
        file.write(text.encode())


def noted_partitions(run: RunDirectory) -> set[str]:
    """Ids of the partitions that have a note: nearly always none, and known by one listing."""
    try:
        found = storage.list(run.condemned_folder, recursive=False)
    except OSError:  # there is no such folder
        return set()
    return {name.removesuffix(".json") for name in (stored.url.rsplit("/", 1)[-1] for stored in found)}


def noted_condemned(run: RunDirectory, partition_id: str, mark: str) -> dict[str, str]:
    """Image id to why, as noted under the same mark; nothing where there is no note, or a damaged one."""
    place = run.condemned(partition_id)
    try:
        with storage.open(place) as file:
            noted = json.loads(file.read())
        images = noted[_IMAGES] if noted[_MARK] == mark else {}
        return {str(image_id): str(why) for image_id, why in images.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def forget_condemned(run: RunDirectory, partition_id: str) -> None:
    """The part is written and holds the verdicts.

    Raises:
        StorageError: The note cannot be removed.
    """
    note = run.condemned(partition_id)
    storage.remove(note)
    storage.prune([note], run.root)


def condemned_in_part(run: RunDirectory, partition_id: str) -> dict[str, str]:
    """Image id to why, as a part holds them.

    Raises:
        InputError: There is no part, or it is damaged.
    """
    part = read_part(run, partition_id, ["image_id", "error", "error_detail"])
    rows = part.filter(pc.equal(part["error"], pa.scalar(DIED))).to_pylist()
    return {row["image_id"]: row["error_detail"] for row in rows}
