"""How far a run is: what its events add up to. It asks no clock; whoever tells it of an event says when that was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nemo_curator.pipeline.progress import events as ev

Phase = Literal[
    "starting",
    "trying",
    "scoring",
    "deciding",
    "protecting",
    "searching",
    "exporting",
    "fetching",
    "finished",
    "failed",
]

_PHASES: Mapping[type[ev.Event], Phase] = {
    ev.Trying: "trying",
    ev.Planned: "scoring",
    ev.Deciding: "deciding",
    ev.Protecting: "protecting",
    ev.Searching: "searching",
    ev.Decided: "deciding",
    ev.Exporting: "exporting",
    ev.Fetching: "fetching",
    ev.Finished: "finished",
    ev.Failed: "failed",
}
_MOST_GUESSED = 0.99  # of the input, for as long as a partition is under way


@dataclass(slots=True)
class Amount:
    """A step of known length.

    Attributes:
        of: Its length, in images or samples.
        done: How much of it is done.
        since: When it began, seconds.
    """

    of: int
    done: int
    since: float

    def left(self, now: float) -> float | None:
        """Seconds that it will take yet, if it goes on like this; None where nobody can say."""
        return (now - self.since) * max(0, self.of - self.done) / self.done if self.done else None


@dataclass(slots=True)
class FetchAmount:
    """A list of URLs that is fetched.

    Attributes:
        step: Its rows; those from an earlier start count as done.
        before: How many these are.
        images: Images that were fetched now.
        size: Bytes of these.
        statuses: Status to rows, once all have an answer.
    """

    step: Amount
    before: int
    images: int = 0
    size: int = 0
    statuses: Mapping[str, int] | None = None

    def take(self, event: ev.Event) -> None:
        """Something happened."""
        match event:
            case ev.Answered(rows, images, size):
                self.step.done += rows
                self.images += images
                self.size += size
            case ev.Fetched(statuses):
                self.statuses = statuses

    def left(self, now: float) -> float | None:
        """Seconds that it will take yet, if it goes on like this; None where nobody can say."""
        return Amount(self.step.of - self.before, self.step.done - self.before, self.step.since).left(now)


@dataclass(slots=True)
class Standing:
    """How far a run is.

    Attributes:
        begun: Which command it is, if anybody said so.
        phase: What it is at.
        phases: Phase to the seconds that it took, of those that are over.
        plan: What there was to score; None before that is known, and where nothing is scored.
        images: Records read.
        verdicts: Verdict to records of the partitions that were scored now; after a decision, of the whole run.
        rules: Rule to records that it rejects, likewise.
        errors: Error code to records that cannot be used, likewise.
        scored_records: Records of the partitions that were scored now.
        partitions: Partitions that were scored now.
        size: Bytes of these partitions.
        seconds: Stage to what its calls took, over all workers.
        workers: Worker processes that are alive.
        memory: Bytes that all processes had when they were last looked at; 0 where that is not known, or over.
        peak: The largest such number.
        deaths: Workers that died and were replaced.
        model_deaths: Processes for models that died and were replaced.
        given_up: Images that cost two workers.
        search: The search for pairs that is under way, or was last.
        export: The export, once it is known how much it is.
        fetch: The list of URLs that is fetched, likewise.
        funnel: How the inputs ended, once that is decided.
    """

    begun: ev.Begun | None = None
    phase: Phase = "starting"
    phases: dict[str, float] = field(default_factory=dict)
    plan: ev.Planned | None = None
    images: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    scored_records: int = 0
    partitions: int = 0
    size: int = 0
    seconds: Counter[str] = field(default_factory=Counter)
    workers: int = 0
    memory: int = 0
    peak: int = 0
    deaths: int = 0
    model_deaths: int = 0
    given_up: int = 0
    search: Amount | None = None
    export: Amount | None = None
    fetch: FetchAmount | None = None
    funnel: Mapping[str, Any] | None = None
    _phase_at: float | None = None
    _planned_at: float = 0.0
    _read_at: float | None = None
    _scored_at: float | None = None

    def take(self, event: ev.Event, now: float) -> None:
        """Something happened.

        Args:
            event: What.
            now: When, in seconds of a clock that only goes forward.
        """
        match event:
            case ev.Read(records):
                self.images += records
                self._read_at = now if self._read_at is None else self._read_at
            case ev.StagesTook(seconds):
                self.seconds.update(seconds)
            case ev.Pulse(workers, memory):
                self.workers, self.memory, self.peak = workers, memory, max(memory, self.peak)
            case ev.Scored():
                self._take_partition(event)
            case _:
                self._take_count(event)
                self._take_step(event, now)

    def _take_count(self, event: ev.Event) -> None:
        """One more of something."""
        match event:
            case ev.Searched(images):
                if self.search is not None:
                    self.search.done += images
            case ev.Written(samples):
                if self.export is not None:
                    self.export.done += samples
            case ev.WorkerDied():
                self.deaths += 1
            case ev.ModelsDied():
                self.model_deaths += 1
            case ev.ImageGivenUp():
                self.given_up += 1
            case ev.Answered() | ev.Fetched():
                if self.fetch is not None:
                    self.fetch.take(event)

    def _take_step(self, event: ev.Event, now: float) -> None:
        """The run goes on to something else."""
        self._enter(_PHASES.get(type(event), self.phase), now)
        match event:
            case ev.Begun():
                self.begun = event
            case ev.Planned():
                self.plan, self._planned_at = event, now
            case ev.Searching(_, images):
                self.search = Amount(images, 0, now)
            case ev.Decided(funnel):
                self._take_funnel(funnel)
            case ev.Exporting(samples):
                self.export = Amount(samples, 0, now)
            case ev.Fetching(rows, done):
                self.fetch = FetchAmount(Amount(rows, done, now), done)
        if self.phase not in {"starting", "trying", "scoring"}:
            self._scored_at = now if self._scored_at is None else self._scored_at
            self.workers = self.memory = 0  # as they were while the workers lived

    def _enter(self, phase: Phase, now: float) -> None:
        if self._phase_at is None:
            self._phase_at = now
        if phase != self.phase:
            self.phases[self.phase] = self.phases.get(self.phase, 0.0) + now - self._phase_at
            self.phase, self._phase_at = phase, now

    def _take_partition(self, scored: ev.Scored) -> None:
        self.partitions += 1
        self.size += scored.size
        self.scored_records += sum(scored.verdicts.values())
        self.verdicts.update(scored.verdicts)
        self.rules.update(scored.rules)
        self.errors.update(scored.errors)

    def _take_funnel(self, funnel: Mapping[str, Any]) -> None:
        self.funnel = funnel
        self.rules, self.errors = Counter(funnel["rejected"]), Counter(funnel["quarantined"])
        counts = {"keep": funnel["kept"], "reject": self.rules.total()}
        self.verdicts = Counter({**counts, "duplicate": funnel["duplicates"], "quarantine": self.errors.total()})

    def rate(self, now: float) -> float:
        """Images a second, on average since scoring began."""
        return self.images / max(self.elapsed(now), 1e-9)

    def elapsed(self, now: float) -> float:
        """Seconds of scoring, so far or in all."""
        return (now if self._scored_at is None else self._scored_at) - self._planned_at

    @property
    def partitions_done(self) -> int:
        """Partitions that are there: those of an earlier start, and those that were scored now."""
        return (self.plan.done if self.plan is not None else 0) + self.partitions

    @property
    def passed(self) -> float:
        """Share of the bytes to be scored that are through: those of finished partitions, and a guess of the others."""
        whole = self.plan.size if self.plan is not None else 0
        if whole and self.size >= whole:
            return 1.0
        if not whole:
            return 0.0
        in_work = max(0, self.images - self.scored_records) * self._usual_size(whole)
        return min((self.size + in_work) / whole, _MOST_GUESSED)  # images differ in size, so it may be past the end

    def _usual_size(self, whole: int) -> float:
        """Bytes of an image under way: by the number of files left where it is known, else by what is finished."""
        left = self.plan.files - self.scored_records if self.plan is not None else 0
        if left > 0:
            return (whole - self.size) / left
        return self.size / self.scored_records if self.scored_records else 0.0

    def left(self, now: float) -> float | None:
        """Seconds that the present step will take yet, if it goes on like this; None where nobody can say."""
        if self.phase == "scoring" and self._read_at is not None and self.passed:
            return (now - self._read_at) * (1 - self.passed) / self.passed
        step = {"searching": self.search, "exporting": self.export, "fetching": self.fetch}.get(self.phase)
        return None if step is None else step.left(now)

    @property
    def step(self) -> Amount | None:
        """The step of known length that is under way, if one is."""
        fetch = None if self.fetch is None else self.fetch.step
        return {"searching": self.search, "exporting": self.export, "fetching": fetch}.get(self.phase)

    @property
    def shares(self) -> list[tuple[str, float]]:
        """Stages and their share of the time that all stages took, the largest first."""
        whole = self.seconds.total()
        return [(stage, taken / whole) for stage, taken in self.seconds.most_common()] if whole else []
