"""PUBLIC_API section 1, one test a row, named after the row."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing

import pytest
from tests.public_api.fakes import GivenScores, batch_of

import nemo_curator.stages.image.filters.base as seed
from nemo_curator.backends.base import WorkerMetadata
from nemo_curator.stages import devices
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.tasks import ImageBatch

FIELDS = {field.name: field for field in dataclasses.fields(BaseFilterStage)}


def test_all_is_the_seed_alone():
    """`__all__` names the seed and nothing else."""
    assert seed.__all__ == ["BaseFilterStage"]


def test_it_is_a_dataclass_on_processing_stage_of_image_batches():
    """The seed is a dataclass whose base is `ProcessingStage[ImageBatch, ImageBatch]`."""
    assert dataclasses.is_dataclass(BaseFilterStage)
    assert BaseFilterStage.__orig_bases__ == (ProcessingStage[ImageBatch, ImageBatch],)


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("model_dir", None),
        ("num_gpus_per_worker", 0.25),
        ("model_inference_batch_size", 32),
        ("score_threshold", 0.5),
        ("verbose", False),
        ("_name", "image_filter"),
    ],
)
def test_field(name, default):
    """Each field of the table is there with its default, on the class's signature and on an instance."""
    assert FIELDS[name].default == default
    assert getattr(BaseFilterStage(), name) == default


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("model_dir", str),
        ("num_gpus_per_worker", float),
        ("model_inference_batch_size", int),
        ("score_threshold", float),
        ("verbose", bool),
        ("_name", str),
    ],
)
def test_field_type(name, kind):
    """Each field of the table has its type."""
    assert typing.get_type_hints(BaseFilterStage)[name] is kind


def test_fields_come_in_the_order_of_the_table():
    """Positional construction follows the table."""
    assert list(FIELDS) == [
        "model_dir",
        "num_gpus_per_worker",
        "model_inference_batch_size",
        "score_threshold",
        "verbose",
        "_name",
    ]


def test_name_is_read_as_stage_name():
    """`_name` is what `stage.name` says."""
    assert BaseFilterStage().name == "image_filter"


@pytest.mark.parametrize("spelling", ["_name", "name"])
def test_name_as_a_keyword(spelling):
    """Both spellings are keywords, and both can be read back."""
    stage = BaseFilterStage(**{spelling: "mine"})
    assert (stage.name, stage._name) == ("mine", "mine")


@pytest.mark.parametrize("spelling", ["_name", "name"])
@pytest.mark.parametrize("decorated", [True, False])
@pytest.mark.parametrize("annotated", [True, False])
def test_name_as_a_class_attribute_of_a_subclass(spelling, decorated, annotated):
    """Both spellings name a subclass, with and without `@dataclass`, with and without an annotation."""
    namespace = {spelling: "mine", "__module__": __name__}
    if annotated:
        namespace["__annotations__"] = {spelling: "str"}
    subclass = type(BaseFilterStage)("Mine", (BaseFilterStage,), namespace)
    subclass = dataclasses.dataclass(subclass) if decorated else subclass
    assert (subclass().name, subclass.name) == ("mine", "mine")
    assert subclass(name="other").name == "other"
    assert subclass(name="image_filter").name == "image_filter"
    assert subclass(None, 0.25, 32, 0.5, False, "sixth").name == "sixth"
    assert BaseFilterStage().name == "image_filter"


def test_name_can_be_set_on_an_instance():
    """Assigning either spelling changes both."""
    stage = BaseFilterStage()
    stage.name = "mine"
    assert stage._name == "mine"


@pytest.mark.parametrize(("devices_there", "asked"), [(0, (1.0, 0.0)), (1, (1.0, 0.25))])
def test_post_init_asks_for_gpus_where_cuda_is_there(monkeypatch, devices_there, asked):
    """`num_gpus_per_worker` GPUs are asked for where CUDA is there, else a CPU."""
    monkeypatch.setattr(devices, "cuda_devices", lambda: devices_there)
    resources = BaseFilterStage().resources
    assert (resources.cpus, resources.gpus) == asked
    assert resources.requires_gpu == bool(devices_there)


def test_post_init_returns_none():
    """`__post_init__` is a method of the class and returns nothing."""
    assert BaseFilterStage().__post_init__() is None


def test_inputs():
    """A filter takes batches with `data`, and asks nothing of each image."""
    assert BaseFilterStage().inputs() == (["data"], [])


def test_outputs():
    """A filter gives batches with `data`."""
    assert BaseFilterStage().outputs() == (["data"], [])


def test_setup_signature():
    """`setup` takes worker metadata under its documented name, or nothing."""
    parameter = inspect.signature(BaseFilterStage.setup).parameters["_worker_metadata"]
    assert parameter.default is None


@pytest.mark.parametrize("arguments", [(), (None,), (WorkerMetadata(),)])
def test_setup_on_the_bare_base_raises(arguments):
    """The bare base has nothing to set up."""
    with pytest.raises(NotImplementedError, match="BaseFilterStage"):
        BaseFilterStage().setup(*arguments)


def test_setup_of_a_filter_without_a_model_does_nothing():
    """A subclass that only writes `score` can be set up."""
    assert GivenScores().setup(WorkerMetadata()) is None


@pytest.mark.parametrize(("count", "size", "lengths"), [(0, 2, []), (4, 2, [2, 2]), (5, 2, [2, 2, 1]), (3, 32, [3])])
def test_yield_next_batch(count, size, lengths):
    """Consecutive slices in order, the last one shorter."""
    batch = batch_of([0.0] * count)
    slices = BaseFilterStage(model_inference_batch_size=size).yield_next_batch(batch)
    assert inspect.isgenerator(slices)
    found = list(slices)
    assert [len(one) for one in found] == lengths
    assert [image for one in found for image in one] == batch.data


def test_process_on_the_bare_base_raises():
    """The bare base cannot score."""
    with pytest.raises(NotImplementedError, match="score"):
        BaseFilterStage().process(batch_of([0.1]))


def test_process_keeps_scores_below_the_threshold():
    """Scores below the threshold stay; the threshold itself goes."""
    kept = GivenScores().process(batch_of([0.1, 0.5, 0.4999, 0.9]))
    assert [image.image_id for image in kept.data] == ["i0", "i2"]


@pytest.mark.parametrize("size", [0, -1])
def test_batch_size_must_be_positive(size):
    """A batch size that could never deliver an image is refused before a run."""
    with pytest.raises(ValueError, match="model_inference_batch_size"):
        GivenScores(model_inference_batch_size=size)


def test_worker_metadata_and_tasks_are_imported_from_their_documented_places():
    """The two imports that the table names."""
    assert WorkerMetadata is importlib.import_module("nemo_curator.backends.base").WorkerMetadata
    assert ImageBatch is importlib.import_module("nemo_curator.tasks").ImageBatch
    assert typing.get_type_hints(BaseFilterStage.process) == {"task": ImageBatch, "return": ImageBatch}
    assert typing.get_type_hints(BaseFilterStage.setup)["_worker_metadata"] == WorkerMetadata | None
