"""Scoring, deciding, exporting, rescoring and new input in any order, each cut short anywhere: nothing is ever torn."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.crash.boundaries import Boundaries

from nemo_curator.errors import CuratorError, IncompleteRunError, MissingRunError, OutputExistsError, StaleScoresError
from nemo_curator.pipeline.decide import decide_locked
from nemo_curator.pipeline.export import export_locked
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.exporting import verify
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import RunState
from nemo_curator.storage import is_temporary
from nemo_curator.testing import encoded, make_tar, photo

ONLY_HEADERS = ["header"]
# all with the column that a rule reads: a fresh run has only the columns of its recipe
SCORES = (
    ["header", "entropy"],
    ["entropy", "sharpness", "header"],
    ["sharpness", "header"],
    [{"header": {"model_inference_batch_size": 3}}, "entropy"],
)
RULES = ({}, {"wide": "width > 45"}, {"half": "pixels <= quantile(pixels, 0.5)"}, {"all": "width > 0"})
FORMATS = ("webdataset", "folder", "parquet", "mds")
KILLS = st.one_of(st.none(), st.integers(1, 45))


class KilledError(BaseException):
    """This process counts as dead: nothing that it still tries reaches the disk."""


class Fate:
    """Lets a process live for so many events."""

    def __init__(self, at: int | None) -> None:
        """So many events are left."""
        self._left = at

    def reach(self, _kind: str, _path: str, _tear: object) -> None:
        """An event."""
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._left = 0
                raise KilledError


class Curation(RuleBasedStateMachine):
    """One run directory and one data set over an input that grows."""

    @initialize()
    def begin(self) -> None:
        """Two shards and two loose files, one of which has nothing behind its header."""
        self.base = Path(tempfile.mkdtemp(prefix="curation-"))
        self.run, self.out = RunDirectory(str(self.base / "run")), self.base / "out"
        self.recipe: dict[str, object] = {"scores": ONLY_HEADERS, "rules": {}, "export": {"shard_size": 3}}
        self.files = 0
        (self.base / "in" / "loose").mkdir(parents=True)
        for _ in range(2):
            self._add_shard()
        (self.base / "in" / "loose" / "whole.jpg").write_bytes(encoded(photo(90, 40, 30)))
        (self.base / "in" / "loose" / "cut.jpg").write_bytes(encoded(photo(91, 120, 90))[:1500])

    def teardown(self) -> None:
        """Everything goes on to its good end, and is what it would have been without a single kill."""
        if hasattr(self, "base"):
            try:
                self.finish(0)
            finally:
                shutil.rmtree(self.base)

    def _add_shard(self) -> None:
        """Three new pictures, and one that every shard has."""
        self.files += 1
        pictures = [(f"{at}.jpg", encoded(photo(self.files * 3 + at, 32 + 16 * at, 24))) for at in range(3)]
        pictures.append(("copy.jpg", encoded(photo(1, 32, 24))))
        make_tar(self.base / "in" / f"{self.files:02d}.tar", pictures)

    def _do(self, what, kill: int | None, *allowed: type[CuratorError]) -> bool:
        """Do something that may be killed: whether it came to its end."""
        with Boundaries([str(self.base)], Fate(kill).reach).wrapped():
            try:
                what()
            except KilledError:
                return False
            except allowed:
                return False
        return True

    def _score(self, kill: int | None = None, *, rescore: bool = False) -> bool:
        """Score by the recipe of the moment: whether it came to its end."""
        recipe = Recipe(**{**self.recipe, "rules": {}})
        refusals = () if rescore else (StaleScoresError,)
        place = str(self.base / "in")
        return self._do(lambda: score_run([place], self.run, recipe, workers=0, rescore=rescore), kill, *refusals)

    @precondition(lambda self: self.recipe["scores"] == ONLY_HEADERS)
    @rule(kill=KILLS)
    def look_at_headers(self, kill):
        """Score what needs no pixels, as long as nobody looked at any: an error that was found stays found."""
        self._score(kill)

    @rule(kill=KILLS, scores=st.sampled_from(SCORES), rescore=st.booleans())
    def score(self, kill, scores, rescore):
        """Score by some recipe."""
        self.recipe["scores"] = scores
        self._score(kill, rescore=rescore)

    @rule(kill=KILLS, rules=st.sampled_from(RULES))
    def decide(self, kill, rules):
        """Decide by some rules; a run that is not scored is refused."""
        self.recipe["rules"] = rules
        recipe = Recipe(**self.recipe)
        self._do(lambda: decide_locked(self.run, recipe), kill, IncompleteRunError, MissingRunError)

    @rule(kill=KILLS, form=st.sampled_from(FORMATS), size=st.integers(1, 5), replace=st.booleans())
    def export(self, kill, form, size, replace):
        """Export in some shape; a run that is not decided is refused, and so is a place that is taken."""
        self.recipe["export"] = {"format": form, "shard_size": size}
        recipe = Recipe(**self.recipe)
        refusals = (IncompleteRunError, MissingRunError) + (() if replace else (OutputExistsError,))
        self._do(lambda: export_locked(self.run, str(self.out), recipe, replace=replace), kill, *refusals)

    @precondition(lambda self: self.files < 5)
    @rule()
    def grow(self):
        """A new shard appears in the input."""
        self._add_shard()

    @rule(kills=st.integers(0, 2))
    def finish(self, kills):
        """Score, decide and export to the end, killed on the way or not: what a fresh run of the same comes to."""
        for kill in (7, 23)[:kills]:
            self._score(kill, rescore=True)
        recipe = Recipe(**self.recipe)
        assert self._score(rescore=True)
        funnel = decide_locked(self.run, recipe)
        for kill in (9, 31)[:kills]:
            self._do(lambda: export_locked(self.run, str(self.out), recipe, replace=True), kill)
        exported = export_locked(self.run, str(self.out), recipe, replace=True)
        assert exported.samples == funnel.kept
        fresh = self.base / "fresh"
        place = RunDirectory(str(fresh))
        score_run([str(self.base / "in")], place, recipe, workers=0)
        again = decide_locked(place, recipe)
        assert (again.inputs, again.kept, again.rejected) == (funnel.inputs, funnel.kept, funnel.rejected)
        assert _verdicts(place) == _verdicts(self.run)
        shutil.rmtree(fresh)
        checked = verify(str(self.out), self.run)
        assert not checked.problems
        assert not [path for path in self.base.rglob("*") if is_temporary(str(path))]

    @invariant()
    def nothing_is_torn(self):
        """What bears a final name is whole, whatever happened."""
        for path in self.base.rglob("*") if hasattr(self, "base") else ():
            if path.is_dir() or is_temporary(str(path)):
                continue
            if path.suffix == ".parquet":
                with pq.ParquetFile(path, page_checksum_verification=True) as file:
                    file.read()
            elif path.suffix == ".tar":
                with tarfile.open(path) as tar:
                    assert all(tar.extractfile(member).read() or True for member in tar)
            elif path.suffix == ".json" and (path.parent.name == "run" or path.name == "manifest.json"):
                json.loads(path.read_text())
            elif path.suffix == ".npy":
                np.load(path, allow_pickle=False)

    @invariant()
    def everything_is_accounted_for(self):
        """Verdicts are as many as records, and add up."""
        state = RunState.read(self.run) if hasattr(self, "run") else None
        funnel = state.facts.get("funnel") if state else None
        if funnel is None:
            return
        verdicts = _verdicts(self.run)
        assert len(verdicts) == funnel["inputs"]
        ended = [funnel["kept"], *funnel["rejected"].values(), funnel["duplicates"], *funnel["quarantined"].values()]
        assert sum(ended) == funnel["inputs"]
        for name in ("keep", "duplicate"):
            count = sum(verdict == name for verdict, _ in verdicts.values())
            assert count == funnel["kept" if name == "keep" else "duplicates"]


def _verdicts(run: RunDirectory) -> dict[str, tuple[str, str]]:
    """Id to verdict and rule, each id once."""
    with closing(pq.ParquetFile(run.decisions)) as file:
        rows = file.read(columns=["image_id", "verdict", "rule"]).to_pylist()
    found = {row["image_id"]: (row["verdict"], row["rule"]) for row in rows}
    assert len(found) == len(rows)
    return found


def _machine(examples: int, steps: int) -> None:
    """So many stories of so many steps."""
    given = settings(
        max_examples=examples,
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
        phases=[phase for phase in Phase if phase is not Phase.shrink],  # minutes, for a story of seconds
        print_blob=True,
    )
    run_state_machine_as_test(Curation, settings=given)


def test_any_order_of_work_and_death():
    """A few stories of scoring, deciding, exporting, growing and dying."""
    _machine(6, 8)


@pytest.mark.soak
def test_many_orders_of_work_and_death():
    """Dozens of longer ones."""
    _machine(60, 15)
