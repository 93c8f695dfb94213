"""A trial of lower precisions on a sample of images: does a model agree with itself in full precision?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.models import registry
from nemo_curator.models.agreement import Agreement, of_embeddings, of_scores
from nemo_curator.models.model_memory import model_memory
from nemo_curator.models.numerics import Numerics
from nemo_curator.stages.base import PartitionStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.pixels import view_of
from nemo_curator.tasks import ImageBatch, Task

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tried:
    """What a model in one precision came to.

    Attributes:
        numerics: How it was computed.
        agreement: How far it agrees with full precision.
        seconds: Seconds a picture, on the machine of the trial; for people, nothing is decided by it.
        full_seconds: The same in full precision.
    """

    numerics: Numerics
    agreement: Agreement
    seconds: float
    full_seconds: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried for one model.

    Attributes:
        model: Name of the model in the registry.
        model_dir: Folder with weights of the user's own.
        candidates: How it may be computed, the best first; full precision, which the others are compared with, last.
        heads: Name, and folder with weights of the user's own, of each head that takes its embeddings.
    """

    model: str
    model_dir: str | None
    candidates: tuple[Numerics, ...]
    heads: tuple[tuple[str, str | None], ...] = ()


@dataclass
class TrialTask(Task[dict[str, list[Tried]]]):
    """What trials came to: model to what was tried, in order; the first that agrees ends the list."""

    data: dict[str, list[Tried]] = field(default_factory=dict)

    @property
    def num_items(self) -> int:
        """Number of models."""
        return len(self.data)

    def validate(self) -> bool:
        """Always True."""
        return True


class NumericsTrialStage(PartitionStage[ImageBatch, TrialTask]):
    """Gathers the views of a partition's images, and gives one `TrialTask`.

    Args:
        trials: What is tried.
        most: Images that are looked at; any further ones are passed over.
        threads: Threads that a model may use.
    """

    _name = "numerics_trial"

    def __init__(self, trials: Sequence[Trial], most: int, threads: int) -> None:
        self._trials = tuple(trials)
        self._most = most
        self._threads = threads
        self._views: dict[str, list[npt.NDArray[np.uint8]]] = {}

    def needs(self) -> Needs:
        """The view of every model."""
        return Needs(views=tuple(dict.fromkeys(_spec(one).view for one in self._trials)), returns_images=False)

    def model_bytes(self) -> int:
        """Of the largest: one is loaded after the other."""
        return max(model_memory(_spec(one), one.model_dir) for one in self._trials)

    def begin(self, partition: Task[Any]) -> None:
        """Forget what was gathered."""
        del partition
        self._views = {one.model: [] for one in self._trials}

    def process(self, task: ImageBatch) -> None:
        """Gather views."""
        for one in self._trials:
            held, view = self._views[one.model], _spec(one).view
            held += [view_of(image, view) for image in task.data[: self._most - len(held)]]

    def finish(self) -> list[TrialTask]:
        """Run the models.

        Raises:
            WeightsError: A model's weights are damaged or of another model.
        """
        return [TrialTask(data={one.model: self._tried(one) for one in self._trials})]

    def _tried(self, trial: Trial) -> list[Tried]:
        views = self._views.pop(trial.model)
        if not views:
            return []
        batch = np.stack(views)
        full, seconds = self._rows(trial, trial.candidates[-1], batch)
        heads = [registry.create_head(name, model_dir) for name, model_dir in trial.heads]
        tried = []
        for numerics in trial.candidates[:-1]:
            low, taken = self._rows(trial, numerics, batch)
            tried.append(Tried(numerics, _agreement(trial, full, low, heads), taken, seconds))
            if tried[-1].agreement.enough:
                return tried
        return [*tried, Tried(trial.candidates[-1], Agreement(len(full)), seconds, seconds)]

    def _rows(self, trial: Trial, numerics: Numerics, batch: npt.NDArray[np.uint8]) -> tuple[Rows, float]:
        model = registry.create(trial.model, self._threads, trial.model_dir, numerics)
        model.setup()
        start = time.perf_counter()
        rows = model(batch)
        return rows, (time.perf_counter() - start) / len(batch)


def _spec(trial: Trial) -> registry.ModelSpec:
    spec = registry.get_spec(trial.model, trial.model_dir)
    assert isinstance(spec, registry.ModelSpec)  # noqa: S101 (trials are made of models of pictures alone)
    return spec


def _agreement(trial: Trial, full: Rows, low: Rows, heads: Sequence[registry.Head]) -> Agreement:
    spec = _spec(trial)
    if spec.task != "embedding":
        return of_scores(full, low, spec.high - spec.low, trial.model)
    scores = {}
    for head in heads:
        head.setup()
        least, largest = head.spec.scale
        scores[head.spec.name] = head(full), head(low), largest - least
    return of_embeddings(full, low, scores)
