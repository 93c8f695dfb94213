"""What a run says of folders that it may not read."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.cli.processes import pictures

from nemo_curator.pipeline.score_plan import plan_score
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.listing import list_inputs


def listed_by_a_stranger(folder):
    """The listing of a folder, made by a user who may not read what has no permissions."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        return list_inputs([str(folder)])
    finally:
        os.seteuid(user)


def test_a_folder_that_may_not_be_read_is_told(tmp_path):
    """It is one record, whatever lies in it, so a note says that something is missing; else there is none."""
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are closed to others
        Path(place).chmod(0o755)
        folder = pictures(Path(place) / "in")
        folder.chmod(0o755)
        run = RunDirectory(str(tmp_path / "run"))
        recipe = Recipe(scores=["header"], rules={})
        assert plan_score(run, list_inputs([str(folder)]), recipe).notes == ()
        (folder / "closed").mkdir(mode=0o000)
        listing = listed_by_a_stranger(folder)
    assert listing.closed == ("closed",)
    assert [entry.path for entry in listing.entries].count("closed") == 1
    (note,) = plan_score(run, listing, recipe).notes
    assert note.startswith(
        "1 folder cannot be read (closed): what lies in it is not in this run; check the permissions"
    )
