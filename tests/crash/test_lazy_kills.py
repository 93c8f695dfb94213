"""Which scores a lazy scoring leaves out depends on no kill, and on no number of workers."""

from __future__ import annotations

import pyarrow.compute as pc
import pytest
from tests.crash.commands import dice, restore, save
from tests.crash.material import LAZY
from tests.crash.place import Place
from tests.crash.test_kill_points import kill_often

from nemo_curator.shards.parquet import read_table


@pytest.mark.soak
def test_killed_lazy_scoring_leaves_out_the_same(tmp_path):
    """Killed at points of a seeded choice, with one worker and with two, parts and embeddings are the same bytes."""
    place = Place.make(tmp_path, LAZY)
    events = place.do(["run"])
    results = place.results()
    parts = [read_table(str(path)) for path in (place.base / "out" / "run" / "parts").glob("*.parquet")]
    readable = [part.filter(pc.is_null(part["error"])) for part in parts]
    empty = sum(part["entropy"].null_count for part in readable)
    assert 0 < empty < sum(part.num_rows for part in readable)
    for workers in (1, 2):
        restore(save(tmp_path / f"nothing-{workers}"), *place.folders)
        before = place.watched.kills
        kill_often(place, dice(workers), "run", len(events), 2, workers)
        assert place.watched.kills > before
        assert place.results() == results
