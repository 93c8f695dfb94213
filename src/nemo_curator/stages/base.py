"""The stage: one step of a pipeline, and its registry."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

from nemo_curator.errors import StageError, nearest
from nemo_curator.models.request import ModelRequest
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.resources import Resources
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata
from nemo_curator.tasks import Task

X = TypeVar("X", bound=Task[Any])
Y = TypeVar("Y", bound=Task[Any])

_REGISTRY: dict[str, type[ProcessingStage[Any, Any]]] = {}

# The API spelled these fields with an underscore first and without one later. The underscored field is the one
# that exists; the other spelling is accepted wherever a user may write it.
_SPELLINGS = {"name": "_name", "resources": "_resources", "batch_size": "_batch_size"}


class StageMeta(ABCMeta):
    """Registers stages, and makes both spellings of a stage's own fields mean the same."""

    def __new__(mcs, cls_name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> StageMeta:
        """Create the class with `name`, `resources` and `batch_size` moved to their fields."""
        if bases and any(isinstance(base, StageMeta) for base in bases):
            _move_to_fields(namespace)
        cls = super().__new__(mcs, cls_name, bases, namespace, **kwargs)
        if not inspect.isabstract(cls):
            _REGISTRY[cls_name] = cast("type[ProcessingStage[Any, Any]]", cls)
        return cls

    @property
    def __signature__(cls) -> inspect.Signature:
        """What constructing takes, in place of `__call__`'s own `*args, **kwargs`: for `help`, editors and tools."""
        own = inspect.signature(inspect.getattr_static(cls, "__init__"))
        return own.replace(parameters=list(own.parameters.values())[1:])

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Construct a stage, taking either spelling of a keyword, and of a class attribute."""
        if not dataclasses.is_dataclass(cls):
            return super().__call__(*args, **kwargs)
        known = {field.name: field for field in dataclasses.fields(cls)}
        for plain, underscored in _SPELLINGS.items():
            if plain in kwargs and plain not in known and underscored in known:
                kwargs[underscored] = kwargs.pop(plain)
        stage = super().__call__(*args, **kwargs)
        given = {*kwargs, *[field.name for field in known.values() if field.init][: len(args)]}
        for underscored in (known.keys() & set(_SPELLINGS.values())) - given:
            default = known[underscored].default
            # `name = "mine"` without an annotation is no field, so the base's own default would win
            mine = inspect.getattr_static(cls, underscored, default)
            if default is not dataclasses.MISSING and mine is not default and getattr(stage, underscored) is default:
                setattr(stage, underscored, mine)
        return stage


def _move_to_fields(namespace: dict[str, Any]) -> None:
    annotations = namespace.get("__annotations__", {})
    for plain, underscored in _SPELLINGS.items():
        value = namespace.get(plain)
        if plain in namespace and not (callable(value) or hasattr(type(value), "__get__")):
            namespace[underscored] = namespace.pop(plain)
        if plain in annotations:
            annotations[underscored] = annotations.pop(plain)


class _Spelled:
    """Reads and writes an underscored field under its plain name, on the class as on an instance."""

    def __init__(self, field: str, doc: str) -> None:
        self.field = field
        self.__doc__ = doc

    def __get__(self, instance: object | None, owner: type) -> Any:
        return getattr(owner if instance is None else instance, self.field)

    def __set__(self, instance: object, value: object) -> None:
        setattr(instance, self.field, value)


class ProcessingStage(ABC, Generic[X, Y], metaclass=StageMeta):
    """One step: tasks of one kind in, tasks of another kind out.

    A subclass writes `process`; everything else has a default. Subclasses are usually dataclasses, whose fields
    are the stage's parameters. A stage is pickled before `setup` and loads its models there.
    """

    _name: str = "ProcessingStage"
    _resources: Resources = Resources(cpus=1.0)
    _batch_size: int = 1
    _num_workers: int | None = None
    _runtime_env: Mapping[str, Any] | None = None

    resumes: ClassVar[bool] = False
    """Whether a runner may go on in the middle of a partition after a worker died there. A stage that reads says so
    when it passes over the first `task._metadata["passed"]` records; a `PartitionStage` when it has `save` and
    `restore`; of other stages nothing is asked, because they keep nothing from one batch to the next."""

    name = cast("str", _Spelled("_name", "The stage's name, in plans, records and timings."))
    resources = cast("Resources", _Spelled("_resources", "What one worker of the stage asks of the machine."))
    batch_size = cast("int", _Spelled("_batch_size", "Tasks handed to one `process_batch` call."))

    @abstractmethod
    def process(self, task: X) -> Y | list[Y] | None:
        """Do the work on one task.

        Returns:
            One task, several, or None to drop the task; what is dropped is recorded by the runner.
        """

    def stream(self, task: X) -> Iterator[Y]:
        """Yield the results for one task as they come; a stage with many results overrides this to bound memory."""
        yield from self.process_batch([task])

    def process_batch(self, tasks: list[X]) -> list[Y]:
        """Do the work on several tasks: one by one, unless a stage knows better.

        Raises:
            ValueError: A task is not a valid input of this stage.
        """
        results: list[Y] = []
        for task in tasks:
            if not self.validate_input(task):
                raise ValueError(
                    f"{task!r:.200} is not a valid input of stage {self.name!r}, which needs {self.inputs()}"
                )
            result = self.process(task)
            if isinstance(result, list):
                results.extend(result)
            elif result is not None:
                results.append(result)
        return results

    def validate_input(self, task: Task[Any]) -> bool:
        """Whether a task has the attributes that `inputs()` names, and every item of its data has its own."""
        attributes, item_attributes = self.inputs()
        if not isinstance(task, Task) or not task.validate() or not all(hasattr(task, name) for name in attributes):
            return False
        if not item_attributes or not isinstance(task.data, list):
            return True
        return all(getattr(item, name, None) is not None for item in task.data for name in item_attributes)

    def inputs(self) -> tuple[list[str], list[str]]:
        """Attributes that a task must have, and those that each item of its data must have."""
        return [], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """Attributes that a resulting task has, and those that each item of its data has."""
        return [], []

    def needs(self) -> Needs | None:
        """What this stage needs of every image; None declares nothing, and gets the full picture."""
        return None

    def provenance(self) -> Mapping[str, Any]:
        """What this stage's results depend on besides its class, parameters and the pixels: plain data.

        A run stores the scores of a stage with a fingerprint of this (and of class, parameters and decoding), and calls
        them stale when it changes. Stages with weights name them here; a stage of a package of its own may give its
        version. Versions of libraries stand under a key `libraries`.
        """
        return {}

    def shared_models(self) -> Sequence[ModelRequest]:
        """Large models that are loaded once a host, in a process of their own, instead of once a worker.

        What this gives, `setup` may use (see `stages.shared_model`); of others nothing is asked.
        """
        return ()

    def model_bytes(self) -> int:
        """Bytes of memory that what `setup` loads takes where it is computed, with what it computes with; about.

        A run counts them in its budget of memory: once for each worker, or once a host for what `shared_models` gives.
        """
        return 0

    def setup_on_node(self, node_info: NodeInfo | None = None, worker_metadata: WorkerMetadata | None = None) -> None:
        """Prepare a host, once: download weights, build caches."""

    def setup(self, worker_metadata: WorkerMetadata | None = None) -> None:
        """Prepare a worker: load models."""

    def teardown(self) -> None:
        """Release what `setup` took."""

    def supports_batch_processing(self) -> bool:
        """Whether this stage has a `process_batch` of its own."""
        return type(self).process_batch is not ProcessingStage.process_batch

    def num_workers(self) -> int | None:
        """Number of workers asked for; None leaves it to the executor."""
        return self._num_workers

    def ray_stage_spec(self) -> dict[str, Any]:
        """Hints for an executor on Ray."""
        return {}

    def xenna_stage_spec(self) -> dict[str, Any]:
        """Hints for an executor on Cosmos-Xenna."""
        return {}

    def with_(
        self,
        name: str | None = None,
        resources: Resources | None = None,
        batch_size: int | None = None,
        num_workers: int | None = None,
        runtime_env: Mapping[str, Any] | None = None,
    ) -> ProcessingStage[X, Y]:
        """A copy of this stage with some of its settings changed; what is None stays."""
        changed = copy.copy(self)
        settings = {
            "_name": name,
            "_resources": resources,
            "_batch_size": batch_size,
            "_num_workers": num_workers,
            "_runtime_env": runtime_env,
        }
        for field, value in settings.items():
            if value is not None:
                setattr(changed, field, value)
        return changed

    def get_config(self) -> dict[str, Any]:
        """The stage's settings and parameters by name."""
        config: dict[str, Any] = {
            "name": self.name,
            "resources": self.resources,
            "batch_size": self.batch_size,
            "num_workers": self.num_workers(),
            "runtime_env": self._runtime_env,
            "supports_batch_processing": self.supports_batch_processing(),
        }
        if dataclasses.is_dataclass(self):
            public = (field.name for field in dataclasses.fields(self) if not field.name.startswith("_"))
            config["parameters"] = {field: getattr(self, field) for field in public}
        return config

    def _log_metric(self, name: str, value: float) -> None:
        """Add a figure to the timings of the task in work."""
        self._log_metrics({name: value})

    def _log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Add figures to the timings of the task in work."""
        self.__dict__.setdefault("_metrics", {}).update(metrics)

    def _take_metrics(self) -> dict[str, float]:
        """What was logged since the last call; for the runner."""
        return cast("dict[str, float]", self.__dict__.pop("_metrics", {}))


class PartitionStage(ProcessingStage[X, Y]):
    """A stage that works on a whole partition: it is told where one begins, and gives its result at the end."""

    @abstractmethod
    def begin(self, partition: Task[Any]) -> None:
        """A new partition begins; whatever was gathered of an earlier one that failed is forgotten."""

    @abstractmethod
    def finish(self) -> list[Y]:
        """All tasks of the partition went through `process`; what is returned flows on."""

    def save(self) -> Any:
        """What was gathered since the last call (or since `begin`), to be pickled: for stages that say `resumes`.

        Raises:
            NotImplementedError: The stage does not.
        """
        raise NotImplementedError(f"stage {self.name!r} cannot hand on what it has gathered")

    def restore(self, saved: Any) -> None:
        """Take over what `save` gave in a worker that died since; called in order, after `begin`.

        Raises:
            NotImplementedError: The stage does not say `resumes`.
        """
        raise NotImplementedError(f"stage {self.name!r} cannot take over what another one gathered")


class CompositeStage(ProcessingStage[X, Y]):
    """A stage that stands for several; a pipeline puts them in its place."""

    @abstractmethod
    def decompose(self) -> list[ProcessingStage[Any, Any]]:
        """The stages that do the work, in order."""

    def process(self, task: X) -> Y | list[Y] | None:
        """Never called: a pipeline runs the decomposed stages.

        Raises:
            StageError: Always.
        """
        raise StageError(
            f"composite stage {self.name!r} was run itself",
            cause=f"it got the task {task.task_id!r} from something other than a Pipeline",
            act="run its decompose() stages, or put it in a Pipeline, which does so",
        )

    def inputs(self) -> tuple[list[str], list[str]]:
        """The inputs of the first stage inside."""
        return self.decompose()[0].inputs()

    def outputs(self) -> tuple[list[str], list[str]]:
        """The outputs of the last stage inside."""
        return self.decompose()[-1].outputs()


def get_stage_class(name: str) -> type[ProcessingStage[Any, Any]]:
    """The stage class of that class name, among all that were imported.

    Raises:
        ValueError: No stage class has that name; the nearest is suggested.
    """
    try:
        return _REGISTRY[name]
    except KeyError:
        raise ValueError(f"no stage class is named {name!r}; {nearest(name, _REGISTRY)}") from None
