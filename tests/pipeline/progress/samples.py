"""One event of every kind, with text in it that is hostile or secret."""

from __future__ import annotations

from typing import get_args

from nemo_curator.pipeline.progress import events as ev

SECRET = "hunter2"  # noqa: S105 (no password of anything)
URL = f"s3://me:{SECRET}@bucket/in"
ODD = 'a "name"\\of\nlines\udc80\x1b[31m'
FUNNEL = {"inputs": 5, "kept": 3, "rejected": {ODD: 1}, "duplicates": 0, "quarantined": {"decode_failed": 1}}

EVENTS: tuple[ev.Event, ...] = (
    ev.Begun("run", "1.2.3", {"inputs": [URL], "output": "out", "run": "out/run"}),
    ev.Trying(("clip",)),
    ev.Planned(3, 1_000, 1, ("header",), ("width",), 2, 4, 10**9),
    ev.Noted((f"see {URL}", "second")),
    ev.Pulse(2, 10**8),
    ev.Read(5),
    ev.StagesTook({"header": 0.12345, ODD: 1.0}),
    ev.Scored(400, {"keep": 3, "reject": 1, "quarantine": 1}, {ODD: 1}, {"decode_failed": 1}, "0f", {"header": 0.1}),
    ev.WorkerDied("worker-0", "was killed by SIGSEGV", ODD, "worker-2"),
    ev.ModelsDied("was killed by SIGKILL"),
    ev.ClusterSilent(10.5),
    ev.ImageGivenUp("", f"of {URL}"),
    ev.Deciding(),
    ev.Protecting(ODD),
    ev.Searching("copies", 5),
    ev.Searched(2),
    ev.Decided(FUNNEL, ("rule x rejects nothing",)),
    ev.Exporting(3),
    ev.Written(3),
    ev.Fetching(9, 4),
    ev.Answered(5, 2, 1_000),
    ev.Fetched({"ok": 6, ODD: 3}),
    ev.Finished(),
    ev.Failed("InputError", 3, f"{URL}: gone"),
)


def kinds() -> set[type]:
    """Every class of events."""
    return {one for found in get_args(ev.Event) for one in (get_args(found) or (found,))}
