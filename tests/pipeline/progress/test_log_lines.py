"""The lines of JSON of a run."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.pipeline.progress.samples import EVENTS, SECRET, kinds

from nemo_curator.pipeline.progress import events as ev
from nemo_curator.pipeline.progress.log_lines import VERSION, facts_of, line_of, progress_of
from nemo_curator.pipeline.progress.standing import Standing

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "watch-a-run.md").read_text(encoding="utf-8")
SUMMED_UP = {"Pulse", "Read", "StagesTook", "Searched", "Written", "Answered"}


def all_lines():
    """The lines of one event of every kind, and of how far the run is after each, as bytes."""
    standing, lines = Standing(), []
    for second, event in enumerate(EVENTS):
        standing.take(event, float(second))
        facts = [*facts_of(event, standing), progress_of(standing, float(second))]
        lines += [line_of(one, time="2026-01-02T03:04:05.678Z", elapsed=float(second)) for one in facts]
    return lines


def test_there_is_a_sample_of_every_kind():
    """No kind of event is forgotten here."""
    assert {type(event) for event in EVENTS} == kinds()


def test_every_event_has_a_line_or_is_summed_up():
    """What comes with every batch is told by `progress` now and then; everything else at once."""
    silent = {type(event).__name__ for event in EVENTS if not facts_of(event, Standing())}
    assert silent == SUMMED_UP


def test_a_line_is_one_object_of_a_version():
    """Each line is strict JSON in UTF-8 without a line break inside, and begins with the version and the time."""
    for line in all_lines():
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        facts = json.loads(line.decode(), parse_constant=lambda name: 1 / 0)
        assert list(facts)[:4] == ["v", "time", "elapsed", "event"]
        assert facts["v"] == VERSION == 1


def test_no_secret_gets_into_a_log():
    """Passwords in the URLs of inputs, notes and errors are left out, wherever they stand."""
    whole = b"".join(all_lines()).decode()
    assert "bucket/in" in whole
    assert SECRET not in whole


def test_a_fetch_says_how_far_it_is():
    """Rows of an earlier start count as done, and not for the time that is left."""
    standing = Standing()
    for second, event in enumerate((ev.Fetching(100, 50), ev.Answered(10, 7, 70_000))):
        standing.take(event, float(second))
    found = progress_of(standing, 2.0)
    assert (found["phase"], found["step_done"], found["step_of"]) == ("fetching", 60, 100)
    assert found["fetched"] == {"images": 7, "bytes": 70_000}
    assert found["seconds_left"] == 8.0
    standing.take(ev.Fetched({"ok": 90, "not_found": 10}), 3.0)
    (line,) = facts_of(ev.Fetched({"ok": 90, "not_found": 10}), standing)
    assert line == {"event": "fetched", "statuses": {"ok": 90, "not_found": 10}}


def test_an_end_says_how_the_inputs_ended():
    """The funnel, what was written, and the seconds of the phases and stages stand in the last line."""
    standing = Standing()
    for second, event in enumerate(EVENTS[:-1]):
        standing.take(event, float(second))
    (end,) = facts_of(EVENTS[-2], standing)
    assert end["funnel"]["inputs"] == 5
    assert end["written"] == 3
    assert end["phase_seconds"]["scoring"] > 0
    assert end["stage_seconds"]["header"] == 0.123
    assert end["workers_died"] == 1


def test_every_event_and_field_is_documented():
    """The page has a row for each event, and in it the name of each field."""
    rows = {row[0]: row[1] for row in re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE, re.MULTILINE)}
    everywhere = {"v", "time", "elapsed", "event"}
    assert all(f"`{name}`" in PAGE for name in everywhere)
    for line in all_lines():
        facts = json.loads(line)
        for name in set(facts) - everywhere:
            assert f"`{name}`" in rows[facts["event"]], (facts["event"], name)
