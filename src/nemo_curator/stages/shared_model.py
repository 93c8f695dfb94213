"""Where a stage's model is computed: in its own process, or in the one that holds the large models of the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nemo_curator.models.remote import RemoteModel
from nemo_curator.models.request import ModelRequest, Runnable
from nemo_curator.stages.worker import WorkerMetadata


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
