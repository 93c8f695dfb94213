"""What a user should know of a plan before it is carried out, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from nemo_curator.pipeline.scoring import Scoring
from nemo_curator.planning.means import Means
from nemo_curator.runs.growth import Growth
from nemo_curator.shards.listing import Listing


def left_out(scoring: Scoring) -> list[str]:
    """What `scores: all` leaves out, and what is missing for each, in sentences."""
    return [f"`scores: all` leaves out {name}: {missing}" for name, missing in scoring.skipped]


def left_out_briefly(scoring: Scoring) -> list[str]:
    """The same in one sentence, or none: the names, what kind of thing each lacks, and the command that says all."""
    if not scoring.lacking:
        return []
    names = ", ".join(f"{name} ({kind})" for name, kind in scoring.lacking)
    return [f"`scores: all` leaves out {names}; `imagecurator plan --scores all` says how to get each"]


def short_of_memory(means: Means | None) -> list[str]:
    """What to say where memory decides how many workers there are."""
    if means is None or means.shares.workers >= means.wanted:
        return []
    there = f"{means.shares.workers:,} of {means.wanted:,} workers"
    return [f"there is memory for {there} within {means.memory.budget / 1e9:,.1f} GB (--memory)"]


def notes_on_closed(listing: Listing) -> list[str]:
    """What nobody can count: a folder that may not be read is one record, whatever it holds."""
    if not listing.closed:
        return []
    shown = ", ".join(listing.closed[:3]) + (", …" if len(listing.closed) > 3 else "")
    are, them = ("folders", "them") if len(listing.closed) > 1 else ("folder", "it")
    missing = f"what lies in {them} is not in this run; check the permissions, and give the command again"
    return [f"{len(listing.closed):,} {are} cannot be read ({shown}): {missing}"]


def notes_on_growth(growth: Growth, again: Collection[str]) -> list[str]:
    """What became of the files that were there before, in sentences; `again` are the partitions scored anew."""
    notes = []
    for scored, what in ((True, "scored again"), (False, "not scored again (--rescore does that)")):
        pairs = zip(growth.changed_files, growth.owners, strict=True)
        files = [file for file, owner in pairs if (owner in again) == scored]
        if files:
            are = "is" if len(files) == 1 else "are"
            notes.append(f"{_files(files)} may have changed since the first scoring, and {are} {what}")
    if growth.vanished_files:
        are, their = ("is", "its") if len(growth.vanished_files) == 1 else ("are", "their")
        notes.append(
            f"{_files(growth.vanished_files)} {are} not in the input any more; {their} scores stay in the run, "
            "until something in the same partition is scored again"
        )
    return notes


def _files(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:3])
    return f"{len(ids):,} files ({shown}{', …' if len(ids) > 3 else ''})" if len(ids) > 1 else f"1 file ({shown})"
