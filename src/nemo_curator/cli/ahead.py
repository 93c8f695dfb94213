"""Workers that start while a command still imports and plans."""

from __future__ import annotations

from collections.abc import Sequence

from nemo_curator import storage
from nemo_curator.backends.local.crew import Crew
from nemo_curator.runs.layout import RunDirectory

IMPORTED = (
    "nemo_curator.stages.image.io.image_reader",
    "nemo_curator.pipeline.annotate",
    "nemo_curator.stages.image.filters.base",
    "nemo_curator.runs.part_writer",
    "pandas",  # which Arrow imports with the first array that it makes, where it is installed
)
"""What every chain of a scoring is made of."""

REPORTING = ("nemo_curator.report.page",)
"""What reporting is made of."""


def crew_for(run: RunDirectory, workers: int | None, *, dry: bool, later: Sequence[str] = ()) -> Crew:
    """The crew of a scoring command, with a worker that imports what it will need while the command does the same.

    One, because every input is one partition at least. None for a run that is there already: there may be nothing to
    score in it; one for any that lies elsewhere.

    Args:
        run: The run directory.
        workers: Workers that the user asked for; None leaves it to us.
        dry: Whether nothing will be done.
        later: Modules that the command needs after the scoring.
    """
    crew = Crew(IMPORTED, later)
    # what is elsewhere is not asked for yet: it takes longer, and the recipe may say how it is reached
    if workers != 0 and not dry and not (storage.is_local(run.root) and storage.exists(run.run_json)):
        crew.start_ahead(1)
    return crew
