"""How far a run is in the text format of Prometheus, version 0.0.4. The names in here are a promise to dashboards.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from nemo_curator.pipeline.progress.standing import FetchAmount, Phase, Standing
from nemo_curator.redaction import redacted

PREFIX = "imagecurator_"
"""What every name begins with."""

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric.

    Attributes:
        name: Its name behind the prefix.
        kind: Whether it only grows while the command runs.
        help: What it says, a sentence without its full stop.
        samples: Labels and value of each of its series.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: Sequence[tuple[Labels, float]]


def exposition(standing: Standing, now: float, *, wall: float, started: float) -> str:
    """The metrics of a run as text; those of which nothing is known are left out.

    Args:
        standing: How far it is.
        now: Seconds of the clock that `standing` was told of.
        wall: Seconds since 1970.
        started: The same, when the command began.
    """
    lines: list[str] = []
    for family in families(standing, now, wall=wall, started=started):
        name = PREFIX + family.name
        if family.samples:
            lines += [f"# HELP {name} {family.help}.", f"# TYPE {name} {family.kind}"]
            lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in family.samples]
    return "\n".join(lines) + "\n"


def families(standing: Standing, now: float, *, wall: float, started: float) -> Iterator[Family]:
    """The same as values."""
    yield from _of_the_command(standing, wall, started)
    yield from _of_the_images(standing, now)
    yield from _of_the_work(standing, now)
    yield from _of_the_processes(standing)


def _of_the_command(standing: Standing, wall: float, started: float) -> Iterator[Family]:
    begun = standing.begun
    info = {} if begun is None else {"command": begun.command, "version": begun.version}
    yield Family("info", "gauge", "Always 1; the labels say which command of which version this is", [(info, 1)])
    yield Family("start_time_seconds", "gauge", "When the command began, seconds since 1970", [({}, started)])
    yield Family("update_time_seconds", "gauge", "When this was written, seconds since 1970", [({}, wall)])
    phases = [({"phase": phase}, int(phase == standing.phase)) for phase in get_args(Phase)]
    yield Family("phase", "gauge", "1 for what the command is at, 0 for everything else", phases)
    took = [({"phase": phase}, seconds) for phase, seconds in standing.phases.items()]
    yield Family("phase_seconds_total", "counter", "Seconds that phases took which are over", took)


def _of_the_images(standing: Standing, now: float) -> Iterator[Family]:
    yield Family("images_read_total", "counter", "Images and broken inputs that were read", [({}, standing.images)])
    rate = standing.rate(now) if standing.plan is not None else None
    yield Family("images_per_second", "gauge", "Images read a second, on average since scoring began", _known(rate))
    verdicts = [({"verdict": name}, count) for name, count in sorted(standing.verdicts.items())]
    so_far = "in the partitions scored so far by rules that need no other partition; after a decision, in the whole run"
    yield Family("images", "gauge", f"Images by verdict {so_far}", verdicts)
    rules = [({"rule": name}, count) for name, count in sorted(standing.rules.items())]
    yield Family("images_rejected", "gauge", f"Images by the rule that rejects them {so_far}", rules)
    errors = [({"code": name}, count) for name, count in sorted(standing.errors.items())]
    yield Family("images_quarantined", "gauge", f"Inputs that cannot be used by error code {so_far}", errors)
    yield Family("images_given_up_total", "counter", "Images that cost two workers", [({}, standing.given_up)])


def _of_the_work(standing: Standing, now: float) -> Iterator[Family]:
    plan, left = standing.plan, standing.left(now)
    if plan is not None:
        yield Family("partitions", "gauge", "Partitions of the run", [({}, plan.partitions)])
        yield Family("partitions_done", "gauge", "Partitions that are scored", [({}, standing.partitions_done)])
        yield Family("input_bytes", "gauge", "Bytes of the partitions that this command scores", [({}, plan.size)])
        yield Family("input_read_bytes_total", "counter", "Bytes of partitions that it scored", [({}, standing.size)])
    seconds = [({"stage": stage}, taken) for stage, taken in sorted(standing.seconds.items())]
    yield Family("stage_seconds_total", "counter", "Seconds in the calls of a stage, over all workers", seconds)
    if standing.export is not None:
        yield Family("export_samples", "gauge", "Samples that are to be written", [({}, standing.export.of)])
        yield Family("exported_samples_total", "counter", "Samples that were written", [({}, standing.export.done)])
    if standing.fetch is not None:
        yield from _of_the_list(standing.fetch)
    about = "Seconds that the present phase takes yet, if it goes on like this"
    yield Family("seconds_left", "gauge", about, _known(left))


def _of_the_list(fetch: FetchAmount) -> Iterator[Family]:
    step, statuses = fetch.step, fetch.statuses or {}
    yield Family("fetch_rows", "gauge", "Rows of the list of URLs", [({}, step.of)])
    yield Family(
        "fetch_rows_done", "gauge", "Rows that have an answer, those of an earlier start too", [({}, step.done)]
    )
    yield Family("fetched_images_total", "counter", "Images that were fetched", [({}, fetch.images)])
    yield Family("fetched_bytes_total", "counter", "Bytes of the images that were fetched", [({}, fetch.size)])
    by_status = [({"status": word}, count) for word, count in statuses.items()]
    yield Family("fetch_answers", "gauge", "Rows by the status of their answer, once all have one", by_status)


def _of_the_processes(standing: Standing) -> Iterator[Family]:
    yield Family("workers", "gauge", "Worker processes that are alive", [({}, standing.workers)])
    yield Family("worker_restarts_total", "counter", "Workers that died and were replaced", [({}, standing.deaths)])
    models = "Processes for models that died and were replaced"
    yield Family("inference_restarts_total", "counter", models, [({}, standing.model_deaths)])
    about = "Resident memory of all processes, pages that they share once"
    yield Family("memory_bytes", "gauge", about, _known(standing.memory or None))


def _known(value: float | None) -> list[tuple[Labels, float]]:
    """The one series of a metric without labels; none where nothing is known."""
    return [] if value is None else [({}, value)]


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{name}="{_escaped(redacted(value))}"' for name, value in labels.items())
    return f"{{{pairs}}}"


def _escaped(text: str) -> str:
    plain = text.encode("utf-8", "backslashreplace").decode()
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(round(value, 3))
