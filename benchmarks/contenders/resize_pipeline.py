"""Ours, resizing and re-encoding: a pipeline of the library with one stage of a user between reader and writer.

`resize_pipeline.py resize TARS OUTPUT [JSON]`: short side 256 by the box filter, JPEG of quality 95, written as tars.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import simplejpeg

from nemo_curator.kernels.view import View
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.image.io.image_writer import ImageWriterStage
from nemo_curator.tasks import ImageBatch

SMALL = View(256, filter="box", enlarge=False)


@dataclass
class Shrink(ProcessingStage[ImageBatch, ImageBatch]):
    """Puts a small JPEG in the place of each picture."""

    _name: str = "shrink"

    def needs(self) -> Needs:
        """The small picture."""
        return Needs(views=(SMALL,))

    def process(self, task: ImageBatch) -> ImageBatch:
        """Encode what was cut."""
        for image in task.data:
            image.encoded = simplejpeg.encode_jpeg(image.views[SMALL], 95, "RGB", "420")
        return task


def main(_work: str, photos: str, output: str, _given: str = "{}") -> None:
    """The whole data set."""
    pipeline = Pipeline(name="resize")
    pipeline.add_stage(FilePartitioningStage(file_paths=photos, file_extensions=[".tar"]))
    pipeline.add_stage(ImageReaderStage())
    pipeline.add_stage(Shrink())
    pipeline.add_stage(ImageWriterStage(output))
    results = pipeline.run()
    sys.stdout.write(f"images {sum(task._metadata['num_images'] for task in results or [])}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
