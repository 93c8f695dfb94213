"""Exports whose images are made anew: what changes, what stays, and what becomes of an image that does not decode."""

from __future__ import annotations

import hashlib
import io
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.runs.exporting.made import COLUMNS, contents, decide, rows_of
from tests.runs.exporting.test_formats import FORMATS, member_bytes

from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.rendition import Encode, Rendition, Resize
from nemo_curator.errors import SampleError
from nemo_curator.runs.deciding import Funnel, IdList
from nemo_curator.runs.exporting import ExportSettings, delivered, export, remove_samples, verify, write_manifest
from nemo_curator.runs.exporting.settings import ENDS
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import write_partitions
from nemo_curator.runs.parts import part_schema, write_part
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.partitioning import partition
from nemo_curator.shards.tar_reader import read_tar
from nemo_curator.stages.image.io.rows import identity_row
from nemo_curator.tasks import ImageObject
from nemo_curator.testing import encoded, make_tar, photo

SMALL = Rendition(Resize(48), Encode("webp", 80))


def pictures(folder):
    """A tar of pictures of several formats and sizes, with captions; one is torn behind its header."""
    members = []
    for number, form in enumerate(["JPEG", "PNG", "WEBP", "JPEG", "GIF", "JPEG", "JPEG"]):
        size = (30, 20) if number == 2 else (120, 80)
        data = encoded(photo(number, *size), form)
        name = {"JPEG": "jpeg", "PNG": "seg.png", "WEBP": "webp", "GIF": "gif"}[form]
        members.append((f"{number:03d}.{name}", data[:1500] if number == 5 else data))
        members.append((f"{number:03d}.txt", f"caption {number}".encode()))
    members.append(("001.seg.webp", b"a sidecar that stands in the way of a new name"))
    make_tar(folder / "a.tar", sorted(members, key=lambda one: one[0][:3]))
    return folder


def scored(source, place):
    """A run whose parts hold what reading the headers gives."""
    run = RunDirectory(str(place))
    partitions = partition(list_inputs([str(source)]).entries)
    write_partitions(run, partitions)
    for one in partitions:
        rows = []
        for ordinal, sample in enumerate(read_tar(one.entries[0].location, root=one.root)):
            image = ImageObject(image_id=sample.image_id, source=sample.source, sidecars=sample.sidecars)
            image.encoded = sample.image
            try:
                image.header = probe(sample.image)
            except SampleError:
                continue
            rows.append({**identity_row(image), "ordinal": ordinal, "error": None})
        write_part(run, one.id, rows, part_schema(COLUMNS), {"sharpness": "1"})
    return run, partitions


def deliver(made, output, settings, **options):
    """Export and write the manifest."""
    exported = export(made[0], made[1], str(output), settings, **options)
    write_manifest(
        str(output),
        recipe={},
        fingerprint="0" * 16,
        versions={},
        funnel=Funnel(inputs=7, kept=7),
        lists={},
        exported=exported,
        rendition=settings.rendition,
    )
    return exported


@pytest.fixture
def made(tmp_path):
    """A decided run that keeps everything."""
    run = scored(pictures(tmp_path / "in"), tmp_path / "run")
    decide(run)
    return run


@pytest.mark.parametrize("form", FORMATS)
def test_images_are_made_anew(made, tmp_path, form):
    """Larger images and those of other formats are new, the rest and all sidecars have their own bytes."""
    exported = deliver(made, tmp_path / "out", ExportSettings(form, 3, rendition=SMALL))
    rows = rows_of(tmp_path / "out")
    assert (exported.samples, exported.rendered, len(exported.failed)) == (6, 5, 1)
    for row in rows:
        files = dict(zip(row["files"], member_bytes(tmp_path / "out", row), strict=True))
        data = files[row["files"][row["primary"]]]
        image = Image.open(io.BytesIO(data))
        said = row["delivered_format"], row["delivered_width"], row["delivered_height"]
        assert said == (image.format.lower(), *image.size)
        assert max(image.size) <= 48
        assert (row["delivered_bytes"], row["delivered_sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
        assert row["rendered"] == (row["delivered_sha256"] != row["sha256"])
        assert (row["width"], row["height"]) == ((120, 80) if row["rendered"] else (30, 20))
        assert row["files"][row["primary"]].endswith(".webp")
        (caption,) = (value for name, value in files.items() if name.endswith(".txt"))
        assert caption == f"caption {int(row['key'])}".encode()
    assert [row["key"] for row in rows if not row["rendered"]] == ["002"]
    assert verify(str(tmp_path / "out")).ok


def test_names(made, tmp_path):
    """A new format has its own extension; beside a sidecar that has that name already it gets a number."""
    deliver(made, tmp_path / "out", ExportSettings("folder", rendition=SMALL))
    names = {path.name for path in (tmp_path / "out" / "00000").iterdir()}
    assert {"000.webp", "001.seg.webp", "001.2.seg.webp", "002.webp", "004.webp"} <= names
    sidecar = b"a sidecar that stands in the way of a new name"
    assert (tmp_path / "out" / "00000" / "001.seg.webp").read_bytes() == sidecar
    deliver(made, tmp_path / "same", ExportSettings("folder", rendition=Rendition(Resize(48))))
    names = {path.name for path in (tmp_path / "same" / "00000").iterdir()}
    assert {"000.jpeg", "001.seg.png", "002.webp", "004.png"} <= names


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_bytes_by_any_number_of_workers(made, tmp_path, form):
    """One process or three: the same bytes, which a second export finds done."""
    settings = ExportSettings(form, 2, rendition=SMALL)
    deliver(made, tmp_path / "one", settings, workers=1)
    deliver(made, tmp_path / "three", settings, workers=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")
    again = deliver(made, tmp_path / "three", settings)
    assert (again.written, again.samples, again.rendered, len(again.failed)) == (0, 6, 5, 1)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_missing_is_written_again(made, tmp_path, form):
    """A shard that an interrupted export did not finish is written as it would have been."""
    settings = ExportSettings(form, 2, rendition=SMALL)
    deliver(made, tmp_path / "out", settings)
    whole = contents(tmp_path / "out")
    (tmp_path / "out" / "00001.parquet").unlink()
    assert deliver(made, tmp_path / "out", settings).written == 1
    assert contents(tmp_path / "out") == whole


def test_failures_are_told(made, tmp_path):
    """An image that does not decode is listed with the reason, and counted."""
    deliver(made, tmp_path / "out", ExportSettings(rendition=SMALL))
    manifest = delivered(str(tmp_path / "out"))
    assert [one["image_id"] for one in manifest["failed"]] == ["a/005"]
    assert "jpeg" in manifest["failed"][0]["reason"]
    assert manifest["rendition"]["encode"] == {"format": "webp", "quality": 80, "profile": "keep", "always": False}
    assert "pillow" in manifest["rendition"]["decode"]["libraries"]
    assert json.dumps(manifest).find(str(tmp_path)) == -1


def test_all_of_a_shard_may_fail(tmp_path):
    """A shard of which nothing can be made has no files, and its samples are accounted for."""
    make_tar(tmp_path / "in" / "a.tar", [("k.jpg", encoded(photo(1, 120, 80))[:1500])])
    run = scored(tmp_path / "in", tmp_path / "run")
    decide(run)
    exported = deliver(run, tmp_path / "out", ExportSettings(rendition=SMALL))
    assert (exported.samples, exported.files, len(exported.failed)) == (0, [], 1)


@pytest.mark.parametrize("form", FORMATS)
def test_samples_are_taken_out(made, tmp_path, form):
    """Removing samples keeps what was made of the others, also a second time; a failed one is taken off its list."""
    output = tmp_path / "out"
    deliver(made, output, ExportSettings(form, 4, rendition=SMALL))
    before = {row["image_id"]: row for row in rows_of(output)}
    assert remove_samples(str(output), IdList("", pa.array(["a/000", "a/005"]), "")).removed == 2
    assert verify(str(output), made[0]).ok
    after = {row["image_id"]: row for row in rows_of(output)}
    assert after == {image_id: before[image_id] for image_id in before if image_id != "a/000"}
    assert delivered(str(output))["failed"] == []
    assert list(pq.read_schema(output / "00000.parquet").names).count("delivered_sha256") == 1


@pytest.mark.parametrize("form", FORMATS)
def test_verify_sees_a_changed_image(made, tmp_path, form):
    """What was made anew is checked against its own hash, not that of its source."""
    output = tmp_path / "out"
    deliver(made, output, ExportSettings(form, rendition=SMALL))
    shutil.copytree(output, tmp_path / "copy")
    body = "00000/000.webp" if form == "folder" else f"00000{ENDS[form]}"
    place = tmp_path / "copy" / body
    data = bytearray(place.read_bytes())
    data[data.index(b"WEBPVP8") + 40] ^= 1
    place.write_bytes(data)
    assert not verify(str(tmp_path / "copy")).ok


def test_own_bytes_have_the_fingerprint_that_they_had():
    """Settings without a rendition say nothing of one, so that earlier exports stay whole."""
    assert set(ExportSettings().facts) == {"format", "shard_size", "shard_bytes", "shuffle"}
    assert ExportSettings(rendition=SMALL).facts["rendition"]["encode"]["format"] == "webp"
