"""A clock that jumps decides nothing: neither what is done, nor what is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.crash.commands import restore, save
from tests.crash.place import Place

DAY = 86_400
FUTURE = 4_000_000_000_000_000_000  # nanoseconds: the year 2096


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A place with the small input, of the year 1971, as files from an archive may be."""
    place = Place.make(tmp_path_factory.mktemp("clock"))
    for path in (place.base / "in").rglob("*"):
        os.utime(path, ns=(DAY * 365 * 10**9,) * 2)
    return place


def _date(folder: Path, nanoseconds: int) -> None:
    """All files there say that they are of that time."""
    for path in folder.rglob("*"):
        os.utime(path, ns=(nanoseconds, nanoseconds))


@pytest.mark.soak
def test_clock_that_jumps_back(place, tmp_path):
    """Begun by a clock that is years ahead, killed, and finished by one that is years behind: the same bytes."""
    place.do_here("run")
    whole = place.results()
    restore(save(tmp_path / "nothing"), *place.folders)
    assert place.watched.kill_at(30, *place.arguments("run", 2), clock=3000 * DAY)
    started = json.loads((place.base / "out" / "run" / "run.json").read_text())["started"]
    _date(place.base / "out", FUTURE)
    place.watched.finish(*place.arguments("run", 2), clock=-3000 * DAY)
    facts = json.loads((place.base / "out" / "run" / "run.json").read_text())
    assert facts["started"] == started
    assert facts["finished"] < started, "the clock did jump"
    assert place.results() == whole


@pytest.mark.parametrize("when", [1, FUTURE])
def test_times_of_our_own_files_mean_nothing(place, tmp_path, when):
    """A finished run whose files were copied or touched is as finished as before; nothing is scored again."""
    restore(save(tmp_path / "nothing"), *place.folders)
    place.do_here("run")
    whole = place.results()
    _date(place.base / "out", when)
    events = place.watched.finish(*place.arguments("run", 0), clock=-3000 * DAY)
    assert not [event for event in events if "/parts/" in event or event.endswith(".tar'")]
    assert place.results() == whole
