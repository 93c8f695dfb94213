"""What flows between stages."""

from nemo_curator.tasks.document_batch import DocumentBatch
from nemo_curator.tasks.empty import EmptyTask
from nemo_curator.tasks.file_group import FileGroupTask
from nemo_curator.tasks.image_batch import ImageBatch
from nemo_curator.tasks.image_object import ImageObject
from nemo_curator.tasks.perf import StagePerfStats
from nemo_curator.tasks.record import Record
from nemo_curator.tasks.task import Task

__all__ = [
    "DocumentBatch",
    "EmptyTask",
    "FileGroupTask",
    "ImageBatch",
    "ImageObject",
    "Record",
    "StagePerfStats",
    "Task",
]
