"""Where a stage's model is computed: in its own process, or in the one that holds the large models of the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from nemo_curator.models.remote import RemoteModel, RemoteTextModel
from nemo_curator.models.request import ModelRequest, Runnable, TextRunnable
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageObject


def place(
    shared: Sequence[ModelRequest], worker: WorkerMetadata | None, own: Callable[[], Runnable]
) -> Runnable | RemoteModel:
    """The model that a stage calls, not set up yet.

    Args:
        shared: What the stage's `shared_models` gives: one request, or none.
        worker: Where the stage runs.
        own: Makes a model for this process.
    """
    if shared and worker is not None and worker.inference:
        return RemoteModel(shared[0], worker.inference, worker.waiting)
    return own()


def place_text(
    shared: Sequence[ModelRequest], worker: WorkerMetadata | None, own: Callable[[], TextRunnable]
) -> TextRunnable:
    """The same for a model of texts."""
    if shared and worker is not None and worker.inference:
        return RemoteTextModel(shared[0], worker.inference, worker.waiting)
    return own()


def groups(images: Sequence[ImageObject], model: object, size: int) -> Iterator[list[ImageObject]]:
    """The images of a batch as a model is given them.

    Args:
        images: The images.
        model: The stage's model. One that is elsewhere gets all of them, and makes of them the batches that suit it.
        size: Images that a model in this process gets at once.
    """
    size = max(1, len(images)) if isinstance(model, RemoteModel) else size
    for start in range(0, len(images), size):
        yield list(images[start : start + size])
