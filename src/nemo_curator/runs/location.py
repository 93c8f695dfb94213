"""Which run directory a place names: a run directory itself, or what `run` wrote to, which holds one."""

from __future__ import annotations

from nemo_curator import storage
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import read_facts


def run_at(place: str) -> RunDirectory:
    """The run directory at a place, or the one in `run` inside it where the place is none, as the OUTPUT of `run`.

    The place itself is asked first, so that elsewhere one more request is made for a run directory, and two for others.

    Args:
        place: Path or URL.

    Returns:
        The run directory; the place itself where there is none at all.
    """
    run = RunDirectory(place)
    if read_facts(run) is not None:
        return run
    inside = RunDirectory(storage.join(place, "run"))
    return run if read_facts(inside) is None else inside
