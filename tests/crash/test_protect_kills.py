"""A run with a protect set and an earlier run, killed at points of a seeded choice, ends in the same bytes."""

from __future__ import annotations

import shutil

import pytest
from tests.cli.processes import imagecurator
from tests.crash.commands import Watched, dice, results
from tests.pipeline.test_protect import large, smaller

from nemo_curator.testing import encoded

KILLS = 6


@pytest.fixture
def place(tmp_path):
    """An input, an evaluation set that shows one of its photos, and an earlier run that kept another."""
    for name, seeds in (("in", range(5)), ("old", (4, 9)), ("eval", (1, 8))):
        (tmp_path / name).mkdir()
        for seed in seeds:
            pixels = large(seed) if name == "in" else smaller(large(seed))
            (tmp_path / name / f"{seed}.jpg").write_bytes(encoded(pixels, quality=90))
    return tmp_path


@pytest.mark.soak
def test_killed_anywhere_it_ends_in_the_same_bytes(place):
    """Verdicts, leaks, pairs, the scored set and the data set are those of an uninterrupted run; nothing torn stays."""
    common = ("--scores", "hashes", "--copies", "31", "-s", "rules={}", "--workers", "0")
    out = place / "out"
    watched = Watched(place, [out])
    assert imagecurator("run", place / "old", place / "before", *common).returncode == 0
    arguments = (
        *("run", place / "in", out, *common),
        *("--protect", place / "eval", "--against", f"old={place / 'before' / 'run'}"),
    )
    events = len(watched.finish(*arguments))
    expected = results(out)
    names = {name.removeprefix("out/run/") for name in expected}
    assert {"leaks.parquet", "pairs/copies-protect-eval.parquet", "pairs/copies-against-old.parquet"} <= names
    chance = dice(7)
    for point in sorted(chance.sample(range(2, events), KILLS)):
        shutil.rmtree(out)
        assert watched.kill_at(point, *arguments)
        done = imagecurator(*arguments)
        assert done.returncode == 0, done.stderr
        assert results(out) == expected, point
