"""Tars that would end a run, or escape from the shards that we deliver."""

import io
import tarfile

import pytest

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.kernels.view import View
from nemo_curator.pipeline.annotate import AnnotateStage
from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.part_writer import PartWriterStage
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.partitioning import partition
from nemo_curator.stages.image.filters.header_filter import ImageHeaderFilterStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.image.io.partition_tasks import partition_task
from nemo_curator.testing import encoded, make_tar, photo

RECIPE = Recipe(scores=["header"], rules={})


def pax(path, records, data):
    """A tar of one member with PAX records of its own."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("plain.jpg")
        info.size = len(data)
        info.pax_headers = records
        tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("records", [{"path": "b\0ad.jpg"}, {"size": "1" * 5000}, {"path": ""}, {"path": "\0"}])
def test_odd_pax_records_never_end_a_run(tmp_path, records):
    """A zero byte in a name, a size of five thousand digits: one record or one sample, and a finished run."""
    (tmp_path / "in").mkdir()
    pax(tmp_path / "in" / "a.tar", records, encoded(photo(1)))
    summary = curate([str(tmp_path / "in")], str(tmp_path / "out"), RECIPE, workers=0)
    summary.funnel.check()
    assert summary.funnel.inputs >= 1


def test_delivered_shards_unpack_inside_their_folder(tmp_path):
    """Keys that lead out of the folder are kept as ids and originals, and harmless in the delivered tar."""
    names = ["../../evil.jpg", "/abs/x.jpg", "a/../../b.jpg", "fine.jpg"]
    make_tar(tmp_path / "in" / "a.tar", [(name, encoded(photo(at))) for at, name in enumerate(names)])
    summary = curate([str(tmp_path / "in")], str(tmp_path / "out"), RECIPE, workers=0)
    assert summary.funnel.kept == 4
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    found = sorted(
        path.relative_to(tmp_path / "unpacked").as_posix() for path in (tmp_path / "unpacked").rglob("*.jpg")
    )
    assert found == ["a/b.jpg", "abs/x.jpg", "evil.jpg", "fine.jpg"]


def test_nothing_of_a_scored_image_is_held_until_the_run_ends(tmp_path):
    """What a part holds does not travel to the parent too: memory does not grow with the data set."""
    make_tar(
        tmp_path / "in" / "a.tar", [(f"{at}.{kind}", encoded(photo(at))) for at in range(4) for kind in ("jpg", "npy")]
    )
    (whole,) = partition(list_inputs([str(tmp_path / "in")]).entries)
    run = RunDirectory(str(tmp_path / "run"))
    score = ImageHeaderFilterStage()
    writer = PartWriterStage(run.root, score.score_columns())
    executor = LocalExecutor({"num_workers": 1})
    (done,) = executor.execute(
        [ImageReaderStage(views=(View(32),), pixels=False), AnnotateStage(score), writer], [partition_task(whole)]
    )
    assert done._metadata["num_records"] == 4
    assert executor.records == []
