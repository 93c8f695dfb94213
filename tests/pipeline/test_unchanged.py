"""What a decision reads and does not hold: it is of one moment, or the error says that it was changed meanwhile."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.kernels.pdq_pictures import picture

from nemo_curator.errors import LockedError
from nemo_curator.pipeline.decide import decide_locked
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Searching
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.testing import encoded


class Meanwhile(Watcher):
    """Does something when a search for pairs of a kind begins, once."""

    def __init__(self, kind, does):
        """Nothing was done yet."""
        self.kind, self.does = kind, does

    def told(self, event):
        """Something happened."""
        if isinstance(event, Searching) and event.kind == self.kind:
            self.kind = ""
            self.does()


def large(seed):
    """A picture of large forms, which survive edits."""
    return np.asarray(Image.fromarray(picture(seed, 24, 18)).resize((400, 300), Image.Resampling.BICUBIC))


def fill(folder, seeds):
    """A folder of photos, of which the last is an edit of the first."""
    folder.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds):
        (folder / f"{number}.jpg").write_bytes(encoded(large(seed), quality=95))
    edited = np.asarray(Image.fromarray(large(seeds[0])).resize((200, 150)))
    (folder / "edit.jpg").write_bytes(encoded(edited, quality=60))
    return folder


def recipe(distance=31, *, turned=False, **settings):
    """A recipe that looks for copies."""
    duplicates = {"copies": {"distance": distance, "turned": turned}}
    scores = ["hashes", "turned_hashes"]
    return Recipe(scores=scores, rules={}, duplicates=duplicates, **settings)


@pytest.fixture
def scored(tmp_path):
    """A run of four photos and an edit, decided by copies."""
    run = RunDirectory(str(tmp_path / "run"))
    score_run([str(fill(tmp_path / "in", [1, 2, 3, 4]))], run, recipe(), workers=0)
    decide_locked(run, workers=0)
    return run


def rescored(run, source, seeds):
    """The same files with other pictures, scored and decided anew."""
    fill(source, seeds)
    score_run([str(source)], run, recipe(), workers=0, rescore=True)
    decide_locked(run, workers=0)


def test_a_dry_run_of_two_moments_says_so(scored, tmp_path):
    """Scores and pairs that are replaced while it searches: no funnel of half the one and half the other."""
    watcher = Meanwhile("turned", lambda: rescored(scored, tmp_path / "in", [5, 5, 5, 9]))
    with pytest.raises(LockedError, match=r"run: this was changed while it was read .*give the command again"):
        decide_locked(scored, recipe(turned=True), write=False, workers=0, watcher=watcher)
    again = decide_locked(scored, recipe(turned=True), write=False, workers=0)
    assert (again.inputs, again.kept) == (5, 2)


def test_an_error_that_only_says_that_it_changed_becomes_that(scored, tmp_path):
    """A part that is replaced by a shorter one is no damage that somebody should remove."""

    def torn():
        for one in (tmp_path / "run" / "parts").iterdir():
            one.write_bytes(b"PAR1")

    with pytest.raises(LockedError, match="this was changed while it was read"):
        decide_locked(scored, recipe(turned=True), write=False, workers=0, watcher=Meanwhile("turned", torn))


def test_a_dry_run_beside_a_decision_by_a_larger_radius(scored):
    """Pairs that are replaced by those of a larger radius hold all of the smaller one: nothing has to be said."""
    expected = decide_locked(scored, recipe(turned=True), write=False, workers=0)
    replaced = Meanwhile("turned", lambda: decide_locked(scored, recipe(60), workers=0))
    found = decide_locked(scored, recipe(turned=True), write=False, workers=0, watcher=replaced)
    assert found.figures == expected.figures


def test_an_earlier_run_that_is_decided_meanwhile(scored, tmp_path):
    """Nobody holds an earlier run: where its verdicts change during a decision, nothing is written."""
    new = RunDirectory(str(tmp_path / "new"))
    how = recipe(against=[f"old={scored.root}"])
    score_run([str(fill(tmp_path / "more", [1, 7, 8, 9]))], new, how, workers=0)
    other = Recipe(scores=["hashes"], rules={"wide": "width > 300"})
    watcher = Meanwhile("copies", lambda: decide_locked(scored, other, workers=0))
    with pytest.raises(LockedError, match=r"run: this was changed while it was read"):
        decide_locked(new, workers=0, watcher=watcher)
    assert not (tmp_path / "new" / "decisions.parquet").exists()
    assert decide_locked(new, workers=0).kept


def test_a_decision_beside_nobody(scored):
    """What nobody touches is decided, dry and not, and the run it holds is not watched."""
    assert decide_locked(scored, recipe(turned=True), write=False, workers=0).kept == 4
    assert decide_locked(scored, recipe(turned=True), workers=0).kept == 4
