"""The events of a run as lines of JSON, for machines that read logs. The names in here are a promise to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nemo_curator.pipeline.progress import events as ev
from nemo_curator.pipeline.progress.standing import Standing
from nemo_curator.redaction import redacted

VERSION = 1
"""Of the lines: another one means that a name is gone, or says something else. New names do not count."""


def line_of(facts: Mapping[str, Any], *, time: str, elapsed: float) -> bytes:
    """One line, with its end. Passwords and tokens in URLs are left out.

    Args:
        facts: `event` and what it says.
        time: When that was, ISO 8601 in UTC.
        elapsed: Seconds since the command began.
    """
    whole = {"v": VERSION, "time": time, "elapsed": round(elapsed, 3), **facts}
    text = json.dumps(_plain(whole), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"  # a name of a file need not be Unicode


def facts_of(event: ev.Event, standing: Standing) -> list[dict[str, Any]]:
    """What the lines of an event say; nothing of those that only `progress` sums up.

    Args:
        event: The event.
        standing: How far the run is, this event among it.
    """
    match event:
        case ev.Noted(notes):
            return [{"event": "note", "text": note} for note in notes]
        case ev.Decided(funnel, warnings):
            told = [{"event": "warning", "text": text} for text in warnings]
            return [*told, {"event": "decided", "funnel": dict(funnel)}]
        case ev.Planned():
            return [_planned(event)]
        case ev.Scored():
            return [_partition(event, standing)]
    return _of_the_command(event, standing) or _of_the_processes(event) or _of_a_step(event)


def _of_the_command(event: ev.Event, standing: Standing) -> list[dict[str, Any]]:
    match event:
        case ev.Begun(command, version, places):
            return [{"event": "begun", "command": command, "imagecurator": version, **places}]
        case ev.Finished():
            return [{"event": "finished", **_end(standing)}]
        case ev.Failed(error, exit_code, sentence):
            return [{"event": "failed", "error": error, "exit_code": exit_code, "text": sentence, **_end(standing)}]
    return []


def _of_the_processes(event: ev.Event) -> list[dict[str, Any]]:
    match event:
        case ev.WorkerDied(worker, how, image, successor):
            names = {"worker": worker, "how": how, "image": image or None, "successor": successor}
            return [{"event": "worker_died", **names}]
        case ev.ModelsDied(how):
            return [{"event": "models_died", "how": how}]
        case ev.ClusterSilent(seconds):
            return [{"event": "cluster_silent", "seconds": seconds}]
        case ev.ImageGivenUp(image, why):
            return [{"event": "image_given_up", "image": image or None, "why": why}]
    return []


def _of_a_step(event: ev.Event) -> list[dict[str, Any]]:
    """A step that begins."""
    match event:
        case ev.Trying(models):
            return [{"event": "trying", "models": list(models)}]
        case ev.Deciding():
            return [{"event": "deciding"}]
        case ev.Protecting(name):
            return [{"event": "protecting", "set": name}]
        case ev.Searching(kind, images):
            return [{"event": "searching", "kind": kind, "images": images}]
        case ev.Exporting(samples):
            return [{"event": "exporting", "samples": samples}]
    return _of_a_fetch(event)


def _of_a_fetch(event: ev.Event) -> list[dict[str, Any]]:
    match event:
        case ev.Fetching(rows, done):
            return [{"event": "fetching", "rows": rows, "rows_done": done}]
        case ev.Fetched(statuses):
            return [{"event": "fetched", "statuses": dict(statuses)}]
    return []


def progress_of(standing: Standing, now: float) -> dict[str, Any]:
    """How far a run is, as a line says it now and then."""
    left = standing.left(now)
    step = standing.step
    return {
        "event": "progress",
        "phase": standing.phase,
        "images": standing.images,
        "images_per_second": round(standing.rate(now), 3) if standing.images else None,
        "share": round(standing.passed, 4) if standing.plan is not None else None,
        "seconds_left": None if left is None else round(left, 1),
        "partitions_done": standing.partitions_done,
        "step_done": None if step is None else step.done,
        "step_of": None if step is None else step.of,
        "fetched": _fetched(standing),
        "workers": standing.workers,
        "memory": standing.memory,
        "stage_seconds": _rounded(standing.seconds),
    }


def _planned(event: ev.Planned) -> dict[str, Any]:
    return {
        "event": "planned",
        "partitions": event.partitions,
        "partitions_done": event.done,
        "bytes": event.size,
        "stages": list(event.stages),
        "columns": list(event.columns),
        "workers": event.workers,
        "inference_threads": event.inference_threads,
        "memory_most": event.memory,
    }


def _partition(event: ev.Scored, standing: Standing) -> dict[str, Any]:
    return {
        "event": "partition",
        "partition": event.partition,
        "records": sum(event.verdicts.values()),
        "bytes": event.size,
        "verdicts": dict(event.verdicts),
        "rules": dict(event.rules),
        "errors": dict(event.errors),
        "stage_seconds": _rounded(event.seconds),
        "partitions_done": standing.partitions_done,
        "partitions": standing.plan.partitions if standing.plan is not None else None,
    }


def _end(standing: Standing) -> dict[str, Any]:
    """What every end says."""
    return {
        "funnel": None if standing.funnel is None else dict(standing.funnel),
        "images": standing.images,
        "written": None if standing.export is None else standing.export.done,
        "fetched": _fetched(standing),
        "phase_seconds": _rounded(standing.phases),
        "stage_seconds": _rounded(standing.seconds),
        "memory_peak": standing.peak,
        "workers_died": standing.deaths,
    }


def _fetched(standing: Standing) -> dict[str, Any] | None:
    """What a fetch has got."""
    fetch = standing.fetch
    return None if fetch is None else {"images": fetch.images, "bytes": fetch.size}


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {name: round(taken, 3) for name, taken in seconds.items()}


def _plain(value: Any) -> Any:
    """The same without secrets, and without numbers that are none."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {redacted(str(name)): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
