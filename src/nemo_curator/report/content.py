"""What the report page says, as plain data: gathered from a run, rendered by the template."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from nemo_curator.planning.computing import Way


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
    """

    kind: str
    name: str
    detail: str
    count: int
    share: float
    start: float
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One image on a sheet.

    Attributes:
        image_id: Its id, fit to be shown.
        caption: Its caption, fit to be shown and cut to a few lines, or "".
        size: Width and height, or "".
        compared: The score and the threshold that it met, as in `12.3 < 20`, or "".
        picture: The thumbnail as a data URI, or "".
        missing: Why there is no thumbnail, or "".
        shape: (width, height) of the thumbnail in pixels.
        sensitive: Whether the thumbnail is blurred until somebody asks to see it.
        scores: (name, value) of each score, fit to be shown.
    """

    image_id: str
    caption: str
    size: str
    compared: str
    picture: str
    missing: str
    shape: tuple[int, int]
    sensitive: bool
    scores: tuple[tuple[str, str], ...] = ()

    @property
    def alt(self) -> str:
        """What a reader hears who cannot see the picture."""
        return self.caption or f"Image {self.image_id}, without a caption"


@dataclass(frozen=True, slots=True)
class Sheet:
    """Thumbnails of images that share a verdict.

    Attributes:
        anchor: Id of its section.
        title: Its heading.
        detail: The rule's expression, or "".
        count: How many images there are.
        figures: Those that are shown, evenly spread in source order.
    """

    anchor: str
    title: str
    detail: str
    count: int
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A duplicate and the kept image that it duplicates.

    Attributes:
        removed: The duplicate.
        kept: The image that stays, or None where it belongs to another data set.
        kept_id: Id of the image that stays.
        how: What makes them duplicates, in words.
    """

    removed: Figure
    kept: Figure | None
    kept_id: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """An input that could not be used.

    Attributes:
        image_id: Its id, fit to be shown.
        code: Error code.
        detail: One sentence.
    """

    image_id: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Spread:
    """How the values of one column lie.

    Attributes:
        name: The column.
        quantiles: Minimum, 5 %, 50 %, 95 % and maximum; empty where no image has a value.
        missing: Readable images without a value.
    """

    name: str
    quantiles: tuple[float, ...]
    missing: int

    @property
    def marks(self) -> tuple[float, ...]:
        """Where the three inner quantiles stand between minimum (0) and maximum (100); empty where those are equal."""
        if not self.quantiles or not 0.0 < (width := self.quantiles[-1] - self.quantiles[0]) < inf:
            return ()
        return tuple(round(100.0 * (value - self.quantiles[0]) / width, 2) for value in self.quantiles[1:-1])


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
        started: When it began, as recorded, or "".
        seconds: Seconds by phase, as far as it got.
        steps: The funnel.
        warnings: What is odd about thresholds, a sentence each.
        kept: Sheet of kept images.
        rejected: A sheet a rule that rejected something, in recipe order.
        duplicates: How many duplicates there are.
        pairs: Those that are shown.
        quarantined: How many inputs could not be used.
        unusable: Those that are listed.
        spreads: One for each numeric column.
        stride: The inner quantiles are of every so-many-th input.
        recipe: As YAML text.
        facts: (name, value) of versions and the like.
        ignored: (path, reason) of files that are nothing to account for, the first ones.
        ignored_count: How many there are.
        models: How the models were computed.
    """

    name: str
    started: str
    seconds: dict[str, float]
    steps: tuple[Step, ...]
    kept: Sheet
    rejected: tuple[Sheet, ...]
    duplicates: int
    pairs: tuple[Pair, ...]
    quarantined: int
    unusable: tuple[Unusable, ...]
    spreads: tuple[Spread, ...]
    stride: int
    recipe: str
    facts: tuple[tuple[str, str], ...]
    ignored: tuple[tuple[str, str], ...] = field(default=())
    ignored_count: int = 0
    warnings: tuple[str, ...] = ()
    models: tuple[Computed, ...] = ()

    @property
    def inputs(self) -> int:
        """Number of input records."""
        return self.steps[0].count

    @property
    def rejected_count(self) -> int:
        """Number of images that a rule rejected."""
        return sum(step.count for step in self.steps if step.kind == "reject")
