"""How far a real scoring says that it is, before its first partition is finished."""

from __future__ import annotations

from tests.cli.processes import pictures

from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress import events as ev
from nemo_curator.pipeline.progress.standing import Standing
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.testing import encoded, make_tar, photo


class _Shares(Watcher):
    """Keeps the share after each event."""

    shows_verdicts = True

    def __init__(self) -> None:
        """Nothing is told yet."""
        self.standing = Standing()
        self.planned: ev.Planned | None = None
        self.before: list[float] = []

    def told(self, event: ev.Event) -> None:
        """Take account of it."""
        self.standing.take(event, 0.0)
        if isinstance(event, ev.Planned):
            self.planned = event
        if isinstance(event, ev.Read) and not self.standing.partitions:
            self.before.append(self.standing.passed)


def scored(tmp_path, run):
    """What is told while the input is scored into a run."""
    watcher = _Shares()
    score_run([str(tmp_path / "in")], RunDirectory(str(tmp_path / run)), Recipe(), workers=0, watcher=watcher)
    return watcher


def test_the_only_partition_of_loose_files_moves_the_share(tmp_path):
    """Images that are read count at once; with a shard beside them nobody knows what there is, so nothing is said."""
    pictures(tmp_path / "in", 6)
    loose = scored(tmp_path, "loose")
    assert loose.planned.files == 6
    assert max(loose.before) > 0.5
    assert loose.standing.passed == 1.0
    make_tar(tmp_path / "in" / "a.tar", [("a.jpg", encoded(photo(7)))])
    mixed = scored(tmp_path, "mixed")
    assert mixed.planned.files == 0
    assert mixed.standing.passed == 1.0
