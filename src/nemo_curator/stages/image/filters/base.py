"""The seed: a filter whose author writes `score`, and nothing else."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import StageError
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Column, Cost
from nemo_curator.stages.devices import gpu_or_cpu
from nemo_curator.stages.image.filters.seen_scores import SeenScores
from nemo_curator.stages.image.pixels import as_array
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageBatch, ImageObject, Record
from nemo_curator.tasks.record import Scalar

__all__ = ["BaseFilterStage"]

Scores = npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]]


@dataclass
class BaseFilterStage(ProcessingStage[ImageBatch, ImageBatch]):
    """Scores images and keeps those on the right side of a threshold.

    A subclass writes `score`. `process` is `annotate` (record the scores, drop nothing) followed by the threshold;
    what is dropped stays in the batch's `records`. A NaN score is a quarantine, never a silent keep.

    Args:
        model_dir: Folder with the model's weights, for a filter that has a model.
        num_gpus_per_worker: GPUs to ask for where CUDA is there; without it one CPU core is asked for.
        model_inference_batch_size: Images that one call of `score` gets at most.
        score_threshold: What the first column is compared with; same unit as that column. A filter for which no
            threshold has a documented basis has None: `process` then asks for one, `annotate` does not.
        verbose: Log every image that is dropped.

    A subclass may set:
        columns: The columns that `score` gives; by default one, named after the stage
            (`image_aesthetic_filter` → `aesthetic_score`).
        cost: Its cost class.
        version: Raised when `score` gives other numbers than before for the same image; stored scores are then stale.
        keep: `below` keeps scores below the threshold; `at_or_above` keeps the others.
        missing: What an image counts as whose first column is None; None means that each image has a score there.
    """

    model_dir: str = None  # type: ignore[assignment]  # the public signature says so
    num_gpus_per_worker: float = 0.25
    model_inference_batch_size: int = 32
    score_threshold: float = 0.5
    verbose: bool = False
    _name: str = "image_filter"

    columns: ClassVar[tuple[Column, ...]] = ()
    cost: ClassVar[Cost] = Cost.MODEL
    keep: ClassVar[Literal["below", "at_or_above"]] = "below"
    version: ClassVar[int] = 1
    missing: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        """Ask for a share of a GPU where there is one.

        Raises:
            ValueError: `model_inference_batch_size` is not positive.
        """
        if self.model_inference_batch_size < 1:
            raise ValueError(f"model_inference_batch_size must be at least 1, not {self.model_inference_batch_size}")
        self._resources = gpu_or_cpu(self.num_gpus_per_worker)

    def inputs(self) -> tuple[list[str], list[str]]:
        """A batch with `data`; nothing particular of each image."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """A batch with `data`."""
        return ["data"], []

    def provenance(self) -> dict[str, Any]:
        """The version of `score`; a filter with a model adds its weights."""
        return {"version": self.version}

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Load what `score` needs; a filter without a model needs none.

        Raises:
            NotImplementedError: This is the bare base class, which has nothing to score with.
        """
        if type(self).score is BaseFilterStage.score:
            self._not_written("setup")

    def teardown(self) -> None:
        """Warn, once a worker, where the threshold lies far outside all scores that were seen, with their quantiles.

        Nothing is said of the default of a filter that documents one of its own: there, that is what it is for.
        """
        seen: SeenScores | None = self.__dict__.pop("_seen", None)
        if seen is None or self.score_threshold is None or self._is_own_default():
            return
        if misfit := seen.misfit(self.score_threshold):
            _log("WARNING", "{}: the threshold {:g} is {}", self.name, self.score_threshold, misfit)

    def _is_own_default(self) -> bool:
        own = getattr(type(self), "score_threshold", None)
        return self.score_threshold == own and own != BaseFilterStage.score_threshold

    def _seen_scores(self) -> SeenScores:
        """What this worker has seen so far; where that is nothing yet, the threshold is looked at too."""
        if "_seen" not in self.__dict__:
            self._seen = SeenScores()
            self._warn_of_range(self.score_columns()[0])
        return self._seen

    def _warn_of_range(self, column: Column) -> None:
        """Warn where no score of that column can lie at the threshold; in a recipe, where it means nothing, never."""
        limits, threshold = column.range, self.score_threshold
        if limits and threshold is not None and not limits[0] <= threshold <= limits[1]:
            _log(
                "WARNING",
                "{}: the threshold {:g} lies outside the range of {}, which is {:g} to {:g}",
                *(self.name, threshold, column.name, *limits),
            )

    def score(self, images: list[ImageObject]) -> Scores:  # noqa: ARG002 (the signature is what subclasses write)
        """Score images: the one method that a subclass must write.

        Args:
            images: Between 1 and `model_inference_batch_size` images.

        Returns:
            `(N,)` numbers in the order of `images`; with several columns, a mapping from column name to such an array.

        Raises:
            NotImplementedError: This is the bare base class.
        """
        self._not_written("score")

    def _not_written(self, method: str) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__} has no {method}(): a filter writes its own score()")

    def score_columns(self) -> tuple[Column, ...]:
        """The columns that `score` gives: the declared ones, or one named after the stage."""
        if self.columns:
            return self.columns
        return (Column(f"{self.name.removeprefix('image_').removesuffix('_filter')}_score"),)

    def keeps(self, score: float) -> bool:
        """Whether an image with that score stays. The threshold itself is kept only by `at_or_above`."""
        return score >= self.score_threshold if self.keep == "at_or_above" else score < self.score_threshold

    def record_scores(self, image: ImageObject, scores: dict[str, Scalar]) -> None:
        """Put an image's scores where later stages look for them."""
        image.scores.update(scores)

    def yield_next_batch(self, task: ImageBatch) -> Generator[list[ImageObject], None, None]:
        """Consecutive slices of the batch's images, in order, of at most `model_inference_batch_size`."""
        for start in range(0, len(task.data), self.model_inference_batch_size):
            yield task.data[start : start + self.model_inference_batch_size]

    def annotate(self, task: ImageBatch) -> ImageBatch:
        """Record every image's scores; drop nothing but what cannot be scored.

        Raises:
            StageError: `score` gave another number of scores than it got images, or other columns than declared.
        """
        scored: list[ImageObject] = []
        quarantined: list[Record] = []
        for images in self.yield_next_batch(task):
            columns = self._checked(self.score(images), len(images))
            for index, image in enumerate(images):
                scores = {name: _scalar(values[index]) for name, values in columns.items()}
                unknown = [name for name, value in scores.items() if isinstance(value, float) and np.isnan(value)]
                if unknown:
                    detail = f"{self.name} gave NaN as {', '.join(unknown)}"
                    quarantined.append(image.quarantined(stage=self.name, code="nan_score", detail=detail))
                else:
                    self.record_scores(image, scores)
                    scored.append(image)
        return task.filtered(scored, quarantined)

    def process(self, task: ImageBatch) -> ImageBatch:
        """Score the batch's images, keep those that `keeps` says, and record the rest.

        A filter that gives strings alone, and has no threshold, rejects nothing.

        Raises:
            StageError: As `annotate`; or there is no threshold, or the first column is none that it compares with.
        """
        if self.score_threshold is None and all(column.type == "string" for column in self.score_columns()):
            return self.annotate(task)
        if self.score_threshold is None:
            raise StageError(
                f"stage {self.name!r} has no threshold, because none has a basis for every data set",
                act=f"give {type(self).__name__}(score_threshold=…), after a look at the scores of your own images",
            )
        scored = self.annotate(task)
        column = self.score_columns()[0].name
        kept: list[ImageObject] = []
        rejected: list[Record] = []
        seen = self._seen_scores()
        for image in scored.data:
            score = self._compared(column, image.scores[column])
            seen.add([score])
            if self.keeps(score):
                kept.append(image)
            else:
                rejected.append(image.rejected(stage=self.name, score=score, threshold=self.score_threshold))
        self._report(rejected)
        return scored.filtered(kept, rejected)

    def _compared(self, column: str, score: Scalar) -> float:
        """The score as the number that a threshold is compared with; of truth values 0 and 1."""
        if score is None and self.missing is not None:
            return self.missing
        if score is None or isinstance(score, str):
            raise StageError(
                f"stage {self.name!r} gave {score!r} as {column!r}, and no threshold can be compared with that",
                act="declare a column first that has a number for every image, or write a process() of its own",
            )
        return float(score)

    def _report(self, rejected: list[Record]) -> None:
        self._log_metric("rejected", len(rejected))
        if self.verbose and rejected:
            for record in rejected:
                _log("INFO", "{} rejects {}: score {:.4g}", self.name, record.image_id, record.score)

    def _checked(self, scores: Scores, count: int) -> dict[str, npt.NDArray[Any]]:
        declared = [column.name for column in self.score_columns()]
        given = scores if isinstance(scores, Mapping) else {declared[0]: scores}
        if sorted(given) != sorted(declared):
            raise StageError(
                f"stage {self.name!r} gave the columns {sorted(given)} and declares {sorted(declared)}",
                act="return a mapping with exactly the declared columns from score()",
            )
        columns = {name: _column(as_array(given[name]), count) for name in declared}
        for name, values in columns.items():
            if values.shape != (count,):
                raise StageError(
                    f"stage {self.name!r} gave scores of shape {values.shape} as {name!r} for {count} images",
                    act="return one score for each image from score(), in their order",
                )
        return columns


def _column(values: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """`(N, 1)` answers, which linear heads give, are `(N,)` scores; so is the number that `squeeze` makes of one."""
    if values.ndim == 0 and count == 1:
        return values.reshape(1)
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _scalar(value: Any) -> Scalar:
    plain: Scalar = value.item() if isinstance(value, np.generic) else value
    return plain


def _log(level: str, message: str, *values: object) -> None:
    from loguru import logger  # noqa: PLC0415  a worker that logs nothing need not wait for it

    logger.opt(depth=1).log(level, message, *values)
