"""Pictures of protected images: the run keeps each protect set as a run of its own, which knows where they lie."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pyarrow as pa

from nemo_curator.errors import CuratorError
from nemo_curator.report.developers import Developers
from nemo_curator.report.development import thumbnails_of
from nemo_curator.report.figure import Figure
from nemo_curator.report.figures import Gallery
from nemo_curator.report.samples import COLUMNS, Row
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.lookup import find_rows
from nemo_curator.runs.partitions import Locations


def protected_figures(
    run: RunDirectory, ids: Iterable[str], seconds: float, side: int, developers: Developers | None = None
) -> dict[str, Figure]:
    """Figures of protected images, of those that can be found.

    Args:
        run: The run that compared with them.
        ids: Their ids, each behind the name of its set and a colon.
        seconds: Time that one image may take.
        side: Longer side of a thumbnail in pixels.
        developers: Processes that make pictures, where some were started ahead.
    """
    found: dict[str, Figure] = {}
    for name, rows in protected_rows(run, ids).items():
        numbered = dict(enumerate(rows.values()))
        gallery = Gallery(numbered, {}, {}, (), thumbnails_of(numbered, seconds, side=side, developers=developers))
        found |= {f"{name}:{row['image_id']}": gallery.figure(at) for at, row in numbered.items()}
    return found


def protected_rows(run: RunDirectory, ids: Iterable[str]) -> dict[str, dict[str, Row]]:
    """Set to id to part row of protected images, with `location`; of those that can be found.

    Args:
        run: The run that compared with them.
        ids: Their ids, each behind the name of its set and a colon.
    """
    by_set: dict[str, list[str]] = defaultdict(list)
    for one in ids:
        name, _, image_id = one.partition(":")
        by_set[name].append(image_id)
    return {name: _rows(run.protect(name), wanted) for name, wanted in by_set.items()}


def _rows(run: RunDirectory, ids: Sequence[str]) -> dict[str, Row]:
    """Id to row; nothing of a set that is no run of ours, as one of hashes alone."""
    found: dict[str, Row] = {}
    try:
        partitions = Locations(run)
        for partition_id in partitions.ids:
            rows = find_rows(run.part(partition_id), ids, COLUMNS)
            locations = partitions.of(partition_id, (row["source"] for row in rows.values()))
            for image_id, row in rows.items():
                if row["error"] is None:
                    found[image_id] = {
                        **row,
                        "location": locations.get(row["source"]),
                        "caption": row["caption"] or "",
                    }
    except (CuratorError, OSError, pa.ArrowException):
        return found
    return found
