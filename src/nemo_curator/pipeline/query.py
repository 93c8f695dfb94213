"""Pictures and words to embeddings that can be compared with those of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nemo_curator import storage
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.cores import usable_cores
from nemo_curator.errors import InputError, MissingInputError, ModelError
from nemo_curator.models import registry
from nemo_curator.models.weights import MODEL_DIR
from nemo_curator.pipeline.annotate import AnnotateStage
from nemo_curator.pipeline.embedder import Embedder
from nemo_curator.planning.reading import plan_reading
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.names import is_tar_name, relative_path
from nemo_curator.shards.partitioning import Partition
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.embeddings import stack_embeddings
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.image.io.partition_tasks import partition_task
from nemo_curator.tasks import ImageBatch

Vector = npt.NDArray[np.float32]

_WITH_TEXT = "clip-vit-base-patch32"  # the smallest of those that OpenAI published


def embed_image(embedder: Embedder, place: str) -> Vector:
    """The embedding of an image file, by the way that the images of the run went: reader, view, model, worker process.

    Args:
        embedder: How the run was embedded.
        place: Path or URL of one image file, of any format that is read.

    Returns:
        `(D,)` float32 of unit norm.

    Raises:
        InputError: There is nothing at that path, or nothing that can be read as an image.
        ModelError: The model cannot be loaded.
    """
    try:
        stored = storage.stat(place)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingInputError("there is nothing at this path", where=place, act="name an image file") from None
    except OSError as error:
        raise InputError("this cannot be read", where=place, cause=error.strerror or str(error)) from None
    if stored.is_dir:
        raise InputError("this is a folder", where=place, act="name one image file")
    if is_tar_name(place):
        raise InputError("this is a shard of images", where=place, act="name one image file")
    entry = Entry(place, "", "", relative_path(place, ""), "image", stored.size)
    annotator, last = AnnotateStage(embedder.stage), _EmbeddingsAlone()
    reading = plan_reading([annotator, last])
    limits = embedder.recipe.limits
    reader = ImageReaderStage(
        views=reading.views,
        pixels=reading.pixels,
        limits=limits.as_limits(),
        options=embedder.options,
        verbose=False,
    )
    executor = LocalExecutor({"num_workers": 1, "image_seconds": limits.seconds, "image_memory": limits.memory})
    batches = executor.execute([reader, annotator, last], [partition_task(Partition((entry,)))])
    images = [image for batch in batches if isinstance(batch, ImageBatch) for image in batch.data]
    if not images:
        why = "; ".join(record.detail or record.code for record in executor.records)
        raise InputError(
            "this file cannot be searched by", where=place, cause=why, act="name an image that can be read"
        )
    return _usable(stack_embeddings(images, last.name)[0], place)


def embed_text(embedder: Embedder, text: str, model_dir: str | None = None) -> Vector:
    """The embedding of a text, in the space of the run's image embeddings.

    Args:
        embedder: How the run was embedded.
        text: What to look for, in words.
        model_dir: The user's model directory; the one of the run's recipe by default.

    Returns:
        `(D,)` float32 of unit norm.

    Raises:
        InputError: The text is empty.
        ModelError: The model has no text tower, or it cannot be loaded.
    """
    if not text.strip():
        raise InputError("the text to search for is empty", act="say what the images should show")
    if not embedder.model:
        raise ModelError(
            f"the stage {embedder.stage.name!r} does not say whose embeddings it makes, so no text can be compared",
            act="search by --image",
        )
    models = model_dir or getattr(embedder.stage, "model_dir", None)
    if not getattr(registry.get_spec(embedder.model, models), "text_loader", ""):
        raise ModelError(
            f"the model {embedder.model!r} has no text tower, so no text can be compared with this run's embeddings",
            act=f"embed it with one that has: `imagecurator models get {_WITH_TEXT} --model-dir DIR`, then "
            f"`{MODEL_DIR}=DIR imagecurator score INPUT RUN --set models.embedding={_WITH_TEXT} --rescore`; "
            f"or search by --image. Those that have one: {', '.join(registry.with_text())}",
        )
    model = registry.create_text(embedder.model, models, threads=usable_cores())
    model.setup()
    return _usable(np.asarray(model([text]), np.float32)[0], "the text")


def _usable(vector: Vector, where: str) -> Vector:
    length = float(np.sqrt(np.vecdot(vector, vector)))
    if not math.isfinite(length) or not length:
        raise InputError("its embedding is no direction, so nothing is near it", where=where)
    return vector


@dataclass
class _EmbeddingsAlone(ProcessingStage[ImageBatch, ImageBatch]):
    """Leaves of each image what the other process wants, which is no pixel."""

    _name: str = "search"

    def needs(self) -> Needs:
        """The embedding."""
        return Needs(embedding=True, returns_images=False)

    def process(self, task: ImageBatch) -> ImageBatch:
        """Let pixels and bytes go."""
        data = [replace(one, image_data=None, encoded=None, views={}, derived={}) for one in task.data]
        return replace(task, data=data)
