"""What the report page says, as plain data: gathered from a run, rendered by the template and the page's script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nemo_curator.planning.computing import Way
from nemo_curator.report.figure import Figure
from nemo_curator.report.sampling import Sample
from nemo_curator.report.spreads import Spread

_AT_A_DISTANCE = ("copy", "similar")  # rules of duplicates whose bytes and pixels may differ


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the funnel.

    Attributes:
        kind: `inputs`, `quarantine`, `reject`, `duplicate` or `keep`; chooses the colour.
        name: Error code, rule name, or what the line is.
        detail: The rule's expression, or "".
        count: Number of inputs.
        share: Of all inputs, 0 to 1.
        start: Share of the inputs that lies left of its bar, 0 to 1: what is still there once this step is taken.
        anchor: Id of the section that shows the images, or "".
        group: Which of the page's groups of images this is; -1 for none.
        bytes: Bytes of their encoded images, or None where nobody knows.
    """

    kind: str
    name: str
    detail: str
    count: int
    share: float
    start: float
    anchor: str = ""
    group: int = -1
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Images that ended in the same way.

    Attributes:
        verdict: `keep`, `reject` or `duplicate`.
        rule: Name of the rule or of what makes duplicates, fit to be shown; "" for kept images.
        detail: The rule's expression, or "".
        count: How many there are.
    """

    verdict: str
    rule: str
    detail: str
    count: int


@dataclass(frozen=True, slots=True)
class Removed:
    """A duplicate.

    Attributes:
        position: Its position in source order.
        how: What makes it one, in words.
        distance: How far it is from the kept image, in words; "" where they are equal.
    """

    position: int
    how: str
    distance: str = ""


@dataclass(frozen=True, slots=True)
class Alike:
    """A kept image and images that it stands for.

    Attributes:
        kept: Position of the image that stays, or None where it belongs to another data set.
        kept_id: Its id, fit to be shown.
        size: How many duplicate it.
        removed: Those that are shown.
    """

    kept: int | None
    kept_id: str
    size: int
    removed: tuple[Removed, ...]


@dataclass(frozen=True, slots=True)
class Leaked:
    """An image that shows a protected one.

    Attributes:
        position: Its position in source order.
        protected_id: The protected image, behind the name of its set, fit to be shown.
        how: How it shows it, in words.
        distance: How far apart they are, in words; "" where they are equal.
        others: How many further protected images it shows.
        protected: The protected image, where the run can show it.
    """

    position: int
    protected_id: str
    how: str
    distance: str
    others: int = 0
    protected: Figure | None = None


@dataclass(frozen=True, slots=True)
class Leaks:
    """What of protect sets is in the inputs.

    Attributes:
        images: How many inputs show a protected image.
        protected: How many protected images are shown.
        listed: Some of the inputs.
    """

    images: int
    protected: int
    listed: tuple[Leaked, ...]


@dataclass(frozen=True, slots=True)
class Unusable:
    """An input that could not be used.

    Attributes:
        image_id: Its id, fit to be shown.
        source: The shard or file, fit to be shown.
        detail: One sentence.
    """

    image_id: str
    source: str
    detail: str


@dataclass(frozen=True, slots=True)
class Reason:
    """Inputs that could not be used for the same reason.

    Attributes:
        code: Error code.
        meaning: What it means, or "".
        remedy: What may be done, in a sentence or two.
        count: How many there are.
        examples: Those that are listed.
    """

    code: str
    meaning: str
    remedy: str
    count: int
    examples: tuple[Unusable, ...]


@dataclass(frozen=True, slots=True)
class StageTime:
    """What one stage took.

    Attributes:
        name: The stage.
        seconds: Of all workers together.
        share: Of all stages, 0 to 1.
        milliseconds: For each input that it went over, or None where nobody counted them.
    """

    name: str
    seconds: float
    share: float
    milliseconds: float | None


@dataclass(frozen=True, slots=True)
class Computed:
    """How a model was computed.

    Attributes:
        sentence: How it came to that, and what comes of it, fit to be shown.
        ways: Figures of what was tried; nothing where nothing was.
    """

    sentence: str
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page.

    Attributes:
        name: What the run is called: the last folders of its data set's path.
        place: The run directory, as commands are given it.
        started: When it began, as recorded, or "".
        decided: When its verdicts were made, or "".
        seconds: Seconds by phase, as far as it got.
        pace: What was scored of that a second, in words; "" where nothing was, or nobody counted it.
        idle: Whether it is known that nothing was left to score.
        stages: What each stage took, the longest first.
        steps: The funnel.
        warnings: What is odd about thresholds, a sentence each.
        groups: How images ended.
        spreads: How the values of each axis lie.
        sample: The images that charts show.
        figures: Position to picture and words of those that can be looked at, the most important first.
        duplicates: How many duplicates there are.
        alike: Those that are shown, by the image that stays.
        leaks: What of protect sets is in the inputs, or None where none was looked at.
        quarantine: Inputs that could not be used, by reason.
        recipe: As YAML text.
        facts: (name, value) of versions and the like.
        ignored: (path, reason) of files that are nothing to account for, the first ones.
        ignored_count: How many there are.
        models: How the models were computed.
        notes: What the last scoring had to say.
        unshown: How many columns of numbers are not on the page, because there are too many.
    """

    name: str
    place: str
    started: str
    decided: str
    seconds: Mapping[str, float]
    pace: str
    idle: bool
    stages: tuple[StageTime, ...]
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]
    groups: tuple[Group, ...]
    spreads: tuple[Spread, ...]
    sample: Sample
    figures: Mapping[int, Figure]
    duplicates: int
    alike: tuple[Alike, ...]
    leaks: Leaks | None
    quarantine: tuple[Reason, ...]
    recipe: str
    facts: tuple[tuple[str, str], ...]
    ignored: tuple[tuple[str, str], ...] = field(default=())
    ignored_count: int = 0
    models: tuple[Computed, ...] = ()
    notes: tuple[str, ...] = ()
    unshown: int = 0

    @property
    def timed(self) -> bool:
        """Whether of any stage the time of one input is known."""
        return any(stage.milliseconds is not None for stage in self.stages)

    @property
    def inputs(self) -> int:
        """Number of input records."""
        return self.steps[0].count

    @property
    def kept(self) -> int:
        """Number of kept images."""
        return self.steps[-1].count

    @property
    def rejected(self) -> int:
        """Number of images that a rule rejected."""
        return sum(step.count for step in self.steps if step.kind == "reject")

    @property
    def quarantined(self) -> int:
        """Number of inputs that could not be used."""
        return sum(reason.count for reason in self.quarantine)

    @property
    def apart(self) -> bool:
        """Whether some duplicates lie at a distance from what they repeat."""
        return any(one.verdict == "duplicate" and one.rule in _AT_A_DISTANCE and one.count for one in self.groups)

    @property
    def readable(self) -> int:
        """Number of images that rules were asked of."""
        return self.inputs - self.quarantined
