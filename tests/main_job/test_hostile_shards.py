"""Tars that would end a run, or escape from the shards that we deliver."""

import gzip
import io
import subprocess
import sys
import tarfile

import pytest
from tests.main_job.material import decisions, part_rows
from tests.shards.builders import info, tar_bytes

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


HOSTILE = {
    "absolute.tar": tar_bytes([("/etc/cron.d/x.jpg", encoded(photo(1)))]),
    "bomb.tar.gz": gzip.compress(tar_bytes([("k.jpg", encoded(photo(2)))]) + bytes(64 << 20)),
    "cut.tar": tar_bytes([("a.jpg", encoded(photo(3))), ("b.txt", b"caption"), ("b.jpg", encoded(photo(4)))])[:4500],
    "half.tar.gz": gzip.compress(tar_bytes([(f"{at}.jpg", encoded(photo(at))) for at in range(5, 50)]))[:-9000],
    "dots.tar": tar_bytes([("v1.2/a.b/k.seg.png", encoded(photo(50))), ("v1.2/a.b/k.txt", b"caption")]),
    "empty.tar": b"",
    "garbage.tar": b"garbage" * 1000,
    "links.tar": tar_bytes([(info("k.jpg", kind=tarfile.SYMTYPE, link="/etc/passwd"), b""), ("l.jpg", b"no image")]),
    "names.tar": tar_bytes([("caf\udce9.jpg", encoded(photo(51))), ("d/" * 2000 + "k.jpg", encoded(photo(52)))]),
    "twice.tar": tar_bytes([("k.jpg", encoded(photo(53))), ("k.jpg", encoded(photo(54)))]),
    "up.tar": tar_bytes([("../../../up.jpg", encoded(photo(55)))]),
}
WRITTEN = """
import os, sys
written = []
def watch(event, args):
    if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.append(os.fsdecode(args[0]) if not isinstance(args[0], int) else "")
    elif event in ("os.mkdir", "os.rename", "os.symlink", "os.link"):
        written.append(os.fsdecode(args[0]))
sys.addaudithook(watch)
from nemo_curator.shards.tar_reader import read_tar
for path in sys.argv[2:]:
    for sample in read_tar(path, spool_dir=sys.argv[1]):
        print(sample.error)
ours = (sys.argv[1], sys.prefix)
print("written", *(path for path in written if not path.startswith(ours) and "__pycache__" not in path))
"""


def hostile_tars(folder):
    """Write the tars; returns their paths."""
    folder.mkdir()
    for name, data in HOSTILE.items():
        (folder / name).write_bytes(data)
    return sorted(map(str, folder.iterdir()))


def test_every_hostile_tar_is_accounted_for(tmp_path):
    """Samples before the damage are delivered, and each damage, link and second name is one record of its code."""
    hostile_tars(tmp_path / "in")
    summary = curate([str(tmp_path / "in")], str(tmp_path / "out"), RECIPE, workers=0)
    summary.funnel.check()
    errors = {row["image_id"]: row["error"] for row in part_rows(tmp_path / "out") if row["error"]}
    assert errors == {
        "bomb.tar.gz": "damaged_shard",
        "cut.tar": "damaged_shard",
        "cut/b": "incomplete",
        "half.tar.gz": "damaged_shard",
        "empty.tar": "damaged_shard",
        "garbage.tar": "damaged_shard",
        "links/k": "unsupported_member",
        "links/l": "no_image",
        "twice/k#2": "duplicate_member",
    }
    kept = {row["image_id"] for row in decisions(tmp_path / "out") if row["verdict"] == "keep"}
    rest = {
        "absolute//etc/cron.d/x",
        "bomb/k",
        "cut/a",
        "dots/v1.2/a.b/k",
        "names/caf\\xe9",
        "twice/k",
        "up/../../../up",
    }
    assert rest <= kept


def test_nothing_is_extracted(tmp_path):
    """Reading hostile tars opens no file for writing but the nameless temporary one, and makes no link or folder."""
    paths = hostile_tars(tmp_path / "in")
    (tmp_path / "spool").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WRITTEN, str(tmp_path / "spool"), *paths], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "written"
    assert "damaged_shard" in done.stdout
    assert list((tmp_path / "spool").iterdir()) == []
