"""Stored embeddings given back to the images that they are of."""

from __future__ import annotations

import numpy as np
import pytest
from tests.runs.embedded import MADE, embedded_run, unit_rows

from nemo_curator.kernels.source import Source
from nemo_curator.runs import embedding_reader
from nemo_curator.runs.embedding_reader import NOT_STORED, EmbeddingReaderStage
from nemo_curator.tasks import ImageBatch, ImageObject

ROWS = unit_rows(12)
RECORDS = [(f"{at}", "decode_failed" if at % 5 == 1 else ROWS[at]) for at in range(12)]


@pytest.fixture(params=[1, 4, 1000], autouse=True)
def few_at_once(request, monkeypatch):
    """Pieces of any length give the same."""
    monkeypatch.setattr(embedding_reader, "_AT_ONCE", request.param)


def batch(partition_id, *records):
    """Images by (place, id)."""
    images = [ImageObject(image_id=name, source=Source(ordinal=at)) for at, name in records]
    return ImageBatch(data=images, _metadata={"partition_id": partition_id})


def given(stage, partition_id, *places):
    """Id to embedding, or to the code of its record, of the images at these places."""
    done = stage.process(batch(partition_id, *[(at, f"{at}") for at in places]))
    found = {image.image_id: image.embedding for image in done.data}
    assert [int(name) for name in found] == sorted(set(map(int, found)) & set(places), key=places.index)
    return found | {record.image_id: record.code for record in done.records}


def assert_right(found):
    """Readable images have their own embedding, as it is stored; all others are none of ours."""
    for name, what in found.items():
        if int(name) % 5 == 1:
            assert what == NOT_STORED
        else:
            assert what.tobytes() == ROWS[int(name)].astype(np.float16).astype(np.float32).tobytes()


def test_each_image_gets_its_own(tmp_path):
    """In order, in any order, again, and from the middle on, as a worker does that takes over."""
    run, (partition_id, other) = embedded_run(tmp_path, RECORDS, [("0", ROWS[3]), ("1", "decode_failed")])
    for orders in ([range(12)], [range(5), range(5, 12)], [(7, 8), (11, 2), (2, 3)], [(9,), (10, 11)]):
        stage = EmbeddingReaderStage(run.root, MADE)
        for places in orders:
            assert_right(given(stage, partition_id, *places))
    found = given(stage, other, 0, 1)
    assert found["0"].tobytes() == ROWS[3].astype(np.float16).astype(np.float32).tobytes()
    assert found["1"] == NOT_STORED
    assert_right(given(stage, partition_id, 0))
    stage.teardown()


def test_other_images_get_nothing(tmp_path):
    """An image with another id at that place, or at a place that there was not, has no stored embedding."""
    run, (partition_id,) = embedded_run(tmp_path, RECORDS)
    done = EmbeddingReaderStage(run.root, MADE).process(batch(partition_id, (0, "0"), (2, "3"), (12, "12")))
    assert [image.image_id for image in done.data] == ["0"]
    assert [(record.image_id, record.code) for record in done.records] == [("3", NOT_STORED), ("12", NOT_STORED)]


@pytest.mark.parametrize("harm", ["fingerprint", "embeddings", "part", "nothing readable"])
def test_nothing_is_taken_from_what_does_not_fit(tmp_path, harm):
    """Embeddings of another fingerprint, damaged ones, a part that is gone: no image gets any."""
    records = [("0", "decode_failed")] if harm == "nothing readable" else RECORDS
    run, (partition_id,) = embedded_run(tmp_path, records)
    folder = tmp_path / "run"
    if harm == "embeddings":
        victim = folder / "embeddings" / f"{partition_id}.parquet"
        data = bytearray(victim.read_bytes())
        data[len(data) // 3] ^= 255
        victim.write_bytes(bytes(data))
    elif harm == "part":
        (folder / "parts" / f"{partition_id}.parquet").unlink()
    stage = EmbeddingReaderStage(run.root, "other" if harm == "fingerprint" else MADE)
    assert set(given(stage, partition_id, 0, 2, 3).values()) == {NOT_STORED}
    assert set(given(stage, partition_id, 0, 4).values()) == {NOT_STORED}
