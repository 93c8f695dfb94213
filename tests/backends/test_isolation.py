"""What a failed attempt did to its images is undone before they are tried one by one."""

from __future__ import annotations

import numpy as np
import pytest
from tests.public_api.fakes import GivenScores, Rename

from nemo_curator.backends.isolation import Given, gives_images
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.image.io.convert import ConvertImageBatchToDocumentBatchStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.image.io.image_writer import ImageWriterStage
from nemo_curator.tasks import ImageBatch, ImageObject, Record


class Untyped(ProcessingStage):
    """Declares nothing."""

    def process(self, task):
        """As it is."""
        return task


class Declared(Untyped):
    """Declares what it gives."""

    def needs(self):
        """No images."""
        return Needs(returns_images=False)


def test_restore_undoes_what_an_attempt_did():
    """Lists, attributes and entries are as they were; bytes that an edit cleared are back."""
    record = Record("old", "reject", "before")
    image, other = ImageObject(image_id="a", encoded=b"jpeg", metadata={"n": 1}), ImageObject(image_id="b")
    batch = ImageBatch(data=[image, other], records=[record])
    given = Given([batch])
    image.image_data = np.zeros((2, 2, 3), np.uint8)
    image.metadata["n"] = 2
    image.scores["new"] = 1.0
    image.own = "attribute"
    batch.data.remove(other)
    batch.records.append(Record("b", "reject", "half done"))
    given.restore()
    assert batch.data == [image, other]
    assert batch.records == [record]
    assert (image.encoded, image.image_data, image.metadata, image.scores) == (b"jpeg", None, {"n": 1}, {})
    assert not hasattr(image, "own")


@pytest.mark.parametrize(
    ("stage", "gives"),
    [
        (Rename(), True),
        (GivenScores(), True),
        (ImageReaderStage(), True),
        (ConvertImageBatchToDocumentBatchStage(), False),
        (ImageWriterStage("x"), False),
        (Declared(), False),
        (Untyped(), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whether_a_stage_gives_images(stage, gives):
    """By what it declares, else by its types, else unknown."""
    assert gives_images(stage) is gives
