"""PUBLIC_API section 2, "Stages" and the worker's metadata, one test a name."""

from __future__ import annotations

import types
from dataclasses import dataclass

import cloudpickle
import pytest
from tests.public_api.fakes import GivenScores, Rename, batch_of, ids

from nemo_curator.backends.base import BaseStageAdapter, NodeInfo, WorkerMetadata
from nemo_curator.errors import StageError
from nemo_curator.stages.base import CompositeStage, ProcessingStage, get_stage_class
from nemo_curator.stages.function_decorators import processing_stage
from nemo_curator.stages.resources import Resources
from nemo_curator.tasks import EmptyTask, FileGroupTask, ImageBatch, ImageObject


class Splits(ProcessingStage[ImageBatch, ImageBatch]):
    """One batch an image."""

    def process(self, task):
        """A list of batches, or None for an empty one."""
        return [task.filtered([image]) for image in task.data] or None


class NeedsEmbedding(ProcessingStage[ImageBatch, ImageBatch]):
    """Declares what it needs."""

    def inputs(self):
        """An attribute of the task, and one of each image."""
        return ["data"], ["embedding"]

    def process(self, task):
        """Nothing."""
        return task


class WholeBatches(Rename):
    """Knows better than one by one."""

    def process_batch(self, tasks):
        """All at once."""
        return tasks[:1]


class Pair(CompositeStage[ImageBatch, ImageBatch]):
    """Stands for two stages."""

    name = "pair"

    def decompose(self):
        """Both."""
        return [NeedsEmbedding(), GivenScores()]


@processing_stage(name="counted", resources=Resources(cpus=2.0), batch_size=3)
def count_images(task: ImageBatch) -> ImageBatch:
    """Note how many images there are."""
    task._metadata["count"] = len(task.data)
    return task


@processing_stage()
def plain(task: ImageBatch) -> ImageBatch:
    """As it is."""
    return task


def test_process_is_abstract():
    """`process` is the one method a stage must write."""
    assert ProcessingStage.__abstractmethods__ == {"process"}


def test_defaults():
    """A stage that says nothing gets a CPU, tasks one by one, and workers at the executor's choice."""
    stage = Splits()
    assert (stage.batch_size, stage.num_workers(), stage.resources) == (1, None, Resources(cpus=1.0))
    assert (stage.inputs(), stage.outputs()) == (([], []), ([], []))
    assert (stage.ray_stage_spec(), stage.xenna_stage_spec()) == ({}, {})
    assert stage.setup() is None
    assert stage.setup_on_node(NodeInfo(), WorkerMetadata()) is None
    assert stage.teardown() is None


def test_process_batch_goes_one_by_one():
    """Lists are extended, one is appended, None is left out."""
    batches = [batch_of([0, 0]), ImageBatch(), batch_of([0])]
    assert [ids(batch) for batch in Splits().process_batch(batches)] == [["i0"], ["i1"], ["i0"]]
    assert len(Rename().process_batch(batches)) == 3


def test_process_batch_validates_its_input():
    """A task that lacks what `inputs` names is refused, with the stage's name."""
    with pytest.raises(ValueError, match=r"needs.*embedding"):
        NeedsEmbedding().process_batch([batch_of([0])])


@pytest.mark.parametrize(
    ("task", "valid"),
    [
        (ImageBatch(data=[ImageObject(embedding=[1.0])]), True),
        (ImageBatch(data=[ImageObject(embedding=[1.0]), ImageObject()]), False),
        (ImageBatch(), True),
        (FileGroupTask(), False),
        ("no task", False),
    ],
)
def test_validate_input(task, valid):
    """A task must be valid itself, have the attributes, and each of its items its own."""
    assert NeedsEmbedding().validate_input(task) is valid


def test_supports_batch_processing():
    """Only a stage with a `process_batch` of its own does."""
    assert (WholeBatches().supports_batch_processing(), Rename().supports_batch_processing()) == (True, False)


def test_with_returns_a_changed_copy():
    """Each setting can be changed on a copy; the stage itself stays, and so does what is not named."""
    stage = GivenScores(score_threshold=0.3)
    changed = stage.with_(
        name="mine", resources=Resources(cpus=4.0), batch_size=5, num_workers=6, runtime_env={"pip": ["x"]}
    )
    assert (changed.name, changed.resources.cpus, changed.batch_size, changed.num_workers()) == ("mine", 4.0, 5, 6)
    assert (changed.get_config()["runtime_env"], changed.score_threshold) == ({"pip": ["x"]}, 0.3)
    assert (stage.name, stage.resources.cpus, stage.batch_size, stage.num_workers()) == (
        "image_given_filter",
        1.0,
        1,
        None,
    )
    assert type(changed) is GivenScores
    assert changed.with_(batch_size=2).name == "mine"


def test_get_config():
    """Settings and parameters by name."""
    config = GivenScores(score_threshold=0.3, name="mine").get_config()
    assert (config["name"], config["batch_size"], config["supports_batch_processing"]) == ("mine", 1, False)
    assert config["parameters"]["score_threshold"] == 0.3
    assert Rename().get_config()["name"] == "rename"


def test_log_metrics():
    """Figures that a stage logs are in the timings of the task in work, once."""

    class Measures(Rename):
        def process(self, task):
            self._log_metric("one", 1.0)
            self._log_metrics({"two": 2.0, "three": 3.0})
            return task

    adapter = BaseStageAdapter(Measures())
    (done,) = adapter.process_batch([batch_of([0])])
    assert done._stage_perf[-1].custom_metrics == {"one": 1.0, "two": 2.0, "three": 3.0}
    assert adapter.stage._take_metrics() == {}


@pytest.mark.parametrize("field", ["resources", "batch_size"])
def test_other_settings_are_class_attributes_too(field):
    """`resources` and `batch_size` may be set on the class, under the plain name or the underscored one."""
    value = {"resources": Resources(cpus=3.0), "batch_size": 7}[field]
    for spelling in (field, f"_{field}"):
        stage = type(ProcessingStage)("Own", (Rename,), {spelling: value, "__module__": __name__})()
        assert getattr(stage, field) == value


def test_settings_may_be_properties():
    """A stage that computes its settings, as many of the original do, is believed."""

    class Computed(Rename):
        @property
        def name(self):
            return "computed"

        @property
        def resources(self):
            return Resources(cpus=9.0)

    assert (Computed().name, Computed().resources.cpus) == ("computed", 9.0)


def test_a_dataclass_may_declare_its_settings():
    """Dataclass fields `name` and `batch_size`, under the plain names, with defaults and as keywords."""

    @dataclass
    class Declared(Rename):
        name: str = "declared"
        batch_size: int = 4
        size: int = 1

    assert (Declared().name, Declared().batch_size, Declared(name="x", batch_size=2, size=3).batch_size) == (
        "declared",
        4,
        2,
    )


def test_get_stage_class():
    """A stage class is found by its name; the nearest is suggested for another."""
    assert get_stage_class("GivenScores") is GivenScores
    with pytest.raises(ValueError, match="did you mean 'GivenScores'"):
        get_stage_class("GivenScore")


def test_abstract_stages_are_not_registered():
    """What cannot be made is not offered."""
    with pytest.raises(ValueError, match="no stage class is named 'CompositeStage'"):
        get_stage_class("CompositeStage")


def test_processing_stage_decorator():
    """A function becomes a stage with the settings given, and stays callable."""
    assert isinstance(count_images, ProcessingStage)
    assert (count_images.name, count_images.resources.cpus, count_images.batch_size) == ("counted", 2.0, 3)
    assert count_images.process(batch_of([0]))._metadata == {"count": 1}
    assert count_images(batch_of([0, 0]))._metadata == {"count": 2}
    assert count_images.__doc__ == "Note how many images there are."


def test_processing_stage_decorator_defaults():
    """Left out, the function's own name, a CPU and tasks one by one."""
    assert (plain.name, plain.resources, plain.batch_size) == ("plain", Resources(cpus=1.0), 1)


def test_a_decorated_function_reaches_workers():
    """The name now means the stage, so that pickling by name alone would not find the function."""
    there = cloudpickle.loads(cloudpickle.dumps(count_images))
    assert there.process(batch_of([0]))._metadata == {"count": 1}


def test_composite_stage():
    """It decomposes, takes what its first stage takes, and gives what its last gives."""
    pair = Pair()
    assert [type(stage) for stage in pair.decompose()] == [NeedsEmbedding, GivenScores]
    assert (pair.inputs(), pair.outputs()) == ((["data"], ["embedding"]), (["data"], []))
    with pytest.raises(StageError, match="'pair'"):
        pair.process(batch_of([0]))


@pytest.mark.parametrize(
    ("given", "gpu"), [({}, False), ({"gpus": 0.25}, True), ({"gpu_memory_gb": 8.0}, True), ({"cpus": 4.0}, False)]
)
def test_resources(given, gpu):
    """Defaults are one CPU and no GPU; either way to ask for a GPU requires one."""
    resources = Resources(**given)
    assert resources.requires_gpu is gpu
    assert (resources.cpus, resources.gpu_memory_gb, resources.gpus) == tuple(
        {"cpus": 1.0, "gpu_memory_gb": 0.0, "gpus": 0.0, **given}.values()
    )


def test_resources_refuse_both_gpu_fields():
    """Two ways to say one thing are an error."""
    with pytest.raises(ValueError, match="not both"):
        Resources(gpus=1.0, gpu_memory_gb=8.0)


def test_node_info():
    """A host has a name, empty by default."""
    assert (NodeInfo().node_id, NodeInfo("a").node_id, NodeInfo(node_id="a").node_id) == ("", "a", "a")


def test_worker_metadata():
    """A worker has a name and an allocation; `watch` may always be called."""
    assert (WorkerMetadata().worker_id, WorkerMetadata().allocation) == ("", None)
    worker = WorkerMetadata("w", {"gpus": [0]})
    assert (worker.worker_id, worker.allocation) == ("w", {"gpus": [0]})
    assert worker.watch("image") is None


@pytest.mark.parametrize("parameter", ["_worker_metadata", "worker_metadata", "whatever"])
def test_the_runner_passes_setups_argument_by_position(parameter):
    """Stages differ in what they call the parameter of `setup`."""

    def setup(self, given=None):
        self.seen = given

    renamed = setup.__code__.replace(co_varnames=("self", parameter))
    setup = types.FunctionType(renamed, {}, "setup", (None,))
    stage = type(ProcessingStage)("Own", (Rename,), {"setup": setup, "__module__": __name__})()
    worker = WorkerMetadata("w")
    stage.setup(**{parameter: "by name"})
    assert stage.seen == "by name"
    BaseStageAdapter(stage).setup(worker)
    assert stage.seen is worker


def test_the_base_stage_adapter():
    """It calls the stage, and stamps results with ids and timings."""
    adapter = BaseStageAdapter(Splits())
    batch = batch_of([0, 0], task_id="t", dataset_name="set")
    results = adapter.process_batch([batch])
    assert [result.task_id for result in results] == ["t.0", "t.1"]
    assert [perf.stage_name for perf in results[0]._stage_perf] == ["ProcessingStage"]
    assert results[0]._stage_perf[0].num_items_processed == 2


def test_what_is_no_task_is_refused_by_name():
    """A stage that returns something else hears so."""

    class Wrong(Rename):
        def process(self, _task):
            return {"not": "a task"}

    with pytest.raises(StageError, match=r"'rename' gave .* no task"):
        BaseStageAdapter(Wrong()).process_batch([EmptyTask()])
