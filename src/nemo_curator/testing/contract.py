"""What a run relies on in a stage that scores, as one assertion for the tests of whoever wrote the stage."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import cloudpickle

from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import read_views
from nemo_curator.runs.parts import part_schema
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.catalogue import ScoreStage
from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.pixels import as_array
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.tasks.record import Scalar
from nemo_curator.testing.contract_images import contract_images

Stage = ProcessingStage[ImageBatch, ImageBatch]
Scores = dict[str, dict[str, Scalar]]
"""Image id to column to value."""

_PYTHON: dict[str, tuple[type, ...]] = {"float": (float, int), "int": (int,), "bool": (bool,), "string": (str,)}


def assert_stage_contract(stage: Stage, images: Sequence[ImageObject] | None = None, *, tolerance: float = 0.0) -> None:
    """Fail where a score stage does not keep what a run relies on.

    - It pickles before `setup`, and the copy scores as the original does: that is how it reaches a worker.
    - Its columns have names, types and ranges that a run can store, and its scores keep to them.
    - It uses only what `needs` declares.
    - Scores are the same every time, and do not depend on the size of a batch, on the neighbours in it, or on their
      order; images leave in the order in which they came.
    - Nothing vanishes: each image is still there, or a record says why not. A NaN is a quarantine.
    - The bytes, sidecars and metadata of an image stay as they are.
    - For a `BaseFilterStage`: `process` keeps exactly the images that `keeps` says, at the threshold itself too.

    Args:
        stage: The stage, not set up. It is not changed.
        images: What to try it on, each with `encoded` bytes; those of `contract_images` by default. Give images of your
            own where the stage looks for something that those do not show.
        tolerance: How far two scores of one image may differ; 0 asks for equality to the last bit.

    Raises:
        AssertionError: It does not keep one of them; the message says which, and for which image.
    """
    trial = _Trial.of(stage, list(contract_images() if images is None else images), tolerance)
    _check_columns(trial.columns)
    scores = trial.scores()
    missing: float | None = getattr(stage, "missing", None)
    _check_values(trial.columns, scores, missing)
    _check_declared(trial, scores)
    _check_repetition(trial, scores)
    _check_neighbours(trial, scores)
    _check_accounting(trial)
    if isinstance(stage, BaseFilterStage):
        _check_nan(trial)
        _check_threshold(trial, scores, missing)


@dataclass(frozen=True, slots=True)
class _Trial:
    """A stage, as its pickle, and images as a reader would hand them to it."""

    pickled: bytes
    columns: tuple[Column, ...]
    needs: Needs | None
    images: list[ImageObject]
    tolerance: float

    @classmethod
    def of(cls, stage: Stage, images: list[ImageObject], tolerance: float) -> _Trial:
        assert isinstance(stage, ScoreStage), f"{type(stage).__name__} is no score stage: it has no annotate()"
        try:
            pickled = cloudpickle.dumps(stage)
        except (TypeError, pickle.PicklingError, AttributeError) as error:
            raise AssertionError(
                f"{stage.name} does not pickle before setup(), so no worker can have it: {error}"
            ) from error
        assert len({image.image_id for image in images}) == len(images), "two of the images have one id"
        return cls(pickled, stage.score_columns(), stage.needs(), images, tolerance)

    def stage(self, batch_size: int | None = None) -> Stage:
        """A copy, set up as a worker does it."""
        stage = cast("Stage", pickle.loads(self.pickled))  # noqa: S301 (what was pickled a moment ago)
        if batch_size is not None and hasattr(stage, "model_inference_batch_size"):
            stage.model_inference_batch_size = batch_size
        stage.setup(None)
        return stage

    def batch(self, images: Sequence[ImageObject] | None = None) -> ImageBatch:
        """Fresh images, with what the stage declares and nothing more."""
        chosen = self.images if images is None else images
        return ImageBatch(data=[_as_read(image, self.needs) for image in chosen], dataset_name="contract")

    def whole(self) -> ImageBatch:
        """Fresh images with all that there is of them, as a pipeline may hand them on in which others ask for more."""
        return ImageBatch(
            data=[_as_read(image, self.needs, whole=True) for image in self.images], dataset_name="contract"
        )

    def scores(self, stage: Stage | None = None, batch: ImageBatch | None = None) -> Scores:
        """The columns of every image that was not quarantined."""
        batch = self.batch() if batch is None else batch
        before = [image.image_id for image in batch.data]
        try:
            done = _annotate(stage or self.stage(), batch)
        except ValueError as error:
            if "neither pixels nor bytes" not in str(error):
                raise
            raise AssertionError(
                f"the stage looks at something that needs() does not declare ({self.needs}): {error}"
            ) from error
        after = [image.image_id for image in done.data]
        in_order = [one for one in before if one in set(after)]
        assert after == in_order, f"images left in another order: {after[:5]} … instead of {in_order[:5]} …"
        names = [column.name for column in self.columns]
        for image in done.data:
            missing = [name for name in names if name not in image.scores]
            assert not missing, f"{image.image_id} has no score {missing}"
        return {image.image_id: {name: image.scores[name] for name in names} for image in done.data}


def _as_read(image: ImageObject, needs: Needs | None, *, whole: bool = False) -> ImageObject:
    """One image as the reader hands it on to a stage with these needs; views are cut of one decode."""
    assert image.encoded is not None, f"{image.image_id} has no encoded bytes to read"
    header = image.header or probe(image.encoded)
    made = replace(copy.copy(image), header=header, views={}, derived={}, scores=dict(image.scores))
    views = () if needs is None else needs.views
    full = whole or needs is None or needs.pixels
    if full or views:
        picture, made.views = read_views(image.encoded, header, views)
        if full:
            made.attach_pixels(picture.pixels)
    if needs is not None and not whole:
        made.encoded = image.encoded if needs.encoded or needs.pixels else None
        made.embedding = image.embedding if needs.embedding else None
        beside = needs.caption or needs.sidecars
        made.sidecars = image.sidecars if beside else {}
        made.metadata = image.metadata if beside else {}
    made.sidecars, made.metadata = dict(made.sidecars), dict(made.metadata)
    return made


def _annotate(stage: Stage, batch: ImageBatch) -> ImageBatch:
    return cast("ScoreStage", stage).annotate(batch)


def _check_columns(columns: Sequence[Column]) -> None:
    """A run can store them."""
    part_schema(columns)  # raises where a name is taken
    for column in columns:
        assert column.name.isidentifier(), f"the column {column.name!r} cannot be written in a rule: use a plain word"
        assert column.meaning or len(columns) == 1, f"the column {column.name} has no meaning: say it in a sentence"


def _check_values(columns: Sequence[Column], scores: Scores, missing: float | None) -> None:
    for image_id, row in scores.items():
        for column in columns:
            value = row[column.name]
            if value is None:
                continue
            kinds = _PYTHON[column.type]
            fits = isinstance(value, kinds) and (isinstance(value, bool) == (column.type == "bool"))
            assert fits, f"{column.name} of {image_id} is {value!r}, and is declared as {column.type}"
            if column.range is not None and isinstance(value, int | float):
                low, high = column.range
                assert low <= value <= high, f"{column.name} of {image_id} is {value}, outside {low} to {high}"
    first = columns[0].name if columns else ""
    empty = [image_id for image_id, row in scores.items() if columns and missing is None and row[first] is None]
    assert not empty, f"the first column, {first}, is what a threshold is compared with, and is None for {empty[0]}"


def _check_declared(trial: _Trial, scores: Scores) -> None:
    """What a stage does not declare has no say, whether or not it is there."""
    if trial.needs is not None:
        _assert_equal(trial, scores, trial.scores(batch=trial.whole()), f"more than needs() declares ({trial.needs})")


def _check_repetition(trial: _Trial, scores: Scores) -> None:
    stage = trial.stage()
    _assert_equal(trial, scores, trial.scores(stage), "a copy of the stage that went through pickle")
    _assert_equal(trial, scores, trial.scores(stage), "scoring a second time")


def _check_neighbours(trial: _Trial, scores: Scores) -> None:
    for size in (1, 2, 5, len(trial.images)):
        _assert_equal(trial, scores, trial.scores(trial.stage(size)), f"batches of {size}")
    _assert_equal(trial, scores, trial.scores(batch=trial.batch(trial.images[::-1])), "the opposite order")
    stage = trial.stage()
    for image in trial.images:
        alone = trial.scores(stage, trial.batch([image]))
        if image.image_id in scores or alone:
            _assert_equal(trial, {image.image_id: scores.get(image.image_id, {})}, alone, "no neighbours")


def _assert_equal(trial: _Trial, expected: Scores, found: Scores, what: str) -> None:
    assert expected.keys() == found.keys(), (
        f"{what}: other images are quarantined: {sorted(expected.keys() ^ found.keys())[:5]}"
    )
    for image_id, row in expected.items():
        for name, value in row.items():
            other = found[image_id][name]
            assert _same(value, other, trial.tolerance), (
                f"{what} changes {name} of {image_id}: {value!r} becomes {other!r} (tolerance {trial.tolerance})"
            )


def _same(one: Scalar, other: Scalar, tolerance: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=0.0, abs_tol=tolerance)
    return one == other and type(one) is type(other)


def _check_accounting(trial: _Trial) -> None:
    """Nothing vanishes, and nothing that travels with an image changes."""
    batch = trial.batch()
    before = {image.image_id: _belongings(image) for image in batch.data}
    done = _annotate(trial.stage(), batch)
    found = sorted([*(image.image_id for image in done.data), *(record.image_id for record in done.records)])
    assert found == sorted(before), f"images vanished or came twice: {sorted(set(before) ^ set(found))[:5]}"
    assert done.dataset_name == "contract", "the batch lost its dataset_name"
    for record in done.records:
        assert record.verdict == "quarantine", f"annotate() rejected {record.image_id}: rejecting is for process()"
    for image in done.data:
        assert _belongings(image) == before[image.image_id], f"the stage changed what belongs to {image.image_id}"


def _belongings(image: ImageObject) -> tuple[Any, ...]:
    pixels = None if image.image_data is None else image.image_data.tobytes()
    return image.image_path, image.encoded, dict(image.sidecars), copy.deepcopy(image.metadata), pixels


def _check_nan(trial: _Trial) -> None:
    """A NaN of one image is the quarantine of that image, and of no other."""
    numeric = [column.name for column in trial.columns if column.type == "float"]
    if not numeric or len(trial.images) < 2:
        return
    stage = trial.stage(len(trial.images))
    score: Callable[[list[ImageObject]], Any] = stage.score  # type: ignore[attr-defined]  # a BaseFilterStage
    victim = trial.images[1].image_id

    def with_nan(images: list[ImageObject]) -> Any:
        scores = score(images)
        values = as_array(scores[numeric[0]] if isinstance(scores, Mapping) else scores).astype(object).reshape(-1)
        values[[image.image_id == victim for image in images]] = math.nan
        return {**scores, numeric[0]: values} if isinstance(scores, Mapping) else values

    before = {record.image_id for record in _annotate(trial.stage(), trial.batch()).records}
    stage.score = with_nan  # type: ignore[attr-defined]  # shadows the method of this one copy
    codes = {record.image_id: record.code for record in _annotate(stage, trial.batch()).records}
    assert codes.get(victim) == "nan_score", f"a NaN of {victim} did not put it into quarantine: {codes}"
    others = sorted(codes.keys() - before - {victim})
    assert not others, f"a NaN of {victim} put {others[0]} into quarantine too"


def _check_threshold(trial: _Trial, scores: Scores, missing: float | None) -> None:
    """`process` is `annotate`, and then the threshold; of strings there is none."""
    column = trial.columns[0]
    if column.type == "string":
        kept = {image.image_id for image in cast("BaseFilterStage", trial.stage()).process(trial.batch()).data}
        assert kept == set(scores), f"process() of a filter that gives strings rejects images: {set(scores) - kept}"
        return
    given = {one: missing if row[column.name] is None else row[column.name] for one, row in scores.items()}
    compared = {one: float(score) for one, score in given.items()}  # type: ignore[arg-type]  # checked before
    if not compared:
        return
    values = sorted(compared.values())
    stage = cast("BaseFilterStage", trial.stage())
    stage.score_threshold = values[len(values) // 2]
    done = stage.process(trial.batch())
    kept = {image.image_id for image in done.data}
    wanted = {one for one, score in compared.items() if stage.keeps(score)}
    assert trial.tolerance or kept == wanted, (
        f"process() with the threshold {stage.score_threshold} keeps others than keeps() says: "
        f"{sorted(kept ^ wanted)[:5]}"
    )
    rejected = [record for record in done.records if record.verdict == "reject"]
    assert len(kept) + len(done.records) == len(trial.images), "process() lost images"
    for record in rejected:
        assert record.score is not None, f"{record.image_id} was rejected without a record of its score"
