"""Sources that vanish or change between scoring and export: named, never exported as what they are not."""

from __future__ import annotations

import gzip
import json
import os
import shutil

import pytest
from tests.cli.processes import imagecurator, sentence
from tests.crash.commands import restore, results, save
from tests.crash.place import Place
from tests.main_job.material import delivered_members

from nemo_curator.testing import encoded, photo


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """(a place that is scored and decided, where that is saved, its export, where the input is saved)."""
    place = Place.make(tmp_path_factory.mktemp("sources"))
    _do(place, "score", "decide")
    saved = save(place.base / "decided", *place.folders)
    source = save(place.base / "source", place.base / "in")
    _do(place, "export webdataset")
    return place, saved, place.results(), source


def _do(place, *names):
    """Commands to their good end, in this process."""
    for name in names:
        done = imagecurator(*place.arguments(name, 0))
        assert done.returncode == 0, done.stderr


def _flip(path):
    """Another byte somewhere in the middle of the pictures; size and time are what they were."""
    data, times = bytearray(path.read_bytes()), path.stat()
    data[600] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _repack(path):
    """A compressed shard whose contents changed, at whatever size."""
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[600] ^= 1
    path.write_bytes(gzip.compress(bytes(data), mtime=0))


CHANGES = {
    "vanished shard": ("a.tar", lambda path: path.unlink()),
    "vanished compressed shard": ("b.tar.gz", lambda path: path.unlink()),
    "vanished loose file": ("loose/x.jpg", lambda path: path.unlink()),
    "vanished sidecar": ("loose/x.txt", lambda path: path.unlink()),
    "shard of another size": ("a.tar", lambda path: path.write_bytes(path.read_bytes()[:-9000])),
    "shard that was cut": ("a.tar", lambda path: path.write_bytes(path.read_bytes()[:2000])),
    "shard of the same size": ("a.tar", _flip),
    "compressed shard": ("b.tar.gz", _repack),
    "loose file": ("loose/x.jpg", lambda path: path.write_bytes(encoded(photo(77), quality=80))),
    "sidecar": ("loose/x.txt", lambda path: path.write_bytes(b"b caption")),
    "shard that is a folder now": ("a.tar", lambda path: (path.unlink(), path.mkdir())),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_source_is_named_and_not_exported(decided, change):
    """It is named and not delivered, `--skip-missing` delivers the rest, and when it is back, all is well."""
    place, saved, whole, source = decided
    restore(source, place.base / "in")
    restore(saved, *place.folders)
    name, alter = CHANGES[change]
    alter(place.base / "in" / name)
    out = place.base / "out"
    export = place.arguments("export webdataset")

    said = sentence(imagecurator(*export), 3)
    assert name in said
    assert "--skip-missing" in said
    assert not (out / "manifest.json").exists()

    done = imagecurator(*export, "--skip-missing", "--json")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    missing = {one["image_id"]: one["reason"] for one in manifest["missing"]}
    assert missing
    stem = name.partition(".")[0]
    assert all(image_id.startswith(stem) for image_id in missing)
    assert manifest["samples"] + len(missing) == manifest["funnel"]["kept"]
    delivered = delivered_members_of(out)
    shutil.rmtree(out)

    restore(source, place.base / "in")
    _do(place, "export webdataset")
    assert place.results() == whole
    originals = delivered_members_of(out)
    assert delivered.items() <= originals.items()
    assert len(delivered) < len(originals)


def delivered_members_of(out):
    """Split and member name to bytes of everything in a data set."""
    found = {}
    for split in sorted(path for path in out.iterdir() if path.is_dir()):
        members = delivered_members(split)
        found |= {f"{split.name}/{name.partition('#')[2]}": data for name, data in members.items()}
    return found


def test_interrupted_export_finds_a_change_behind_what_is_done(decided):
    """Shards that were delivered before their source changed stay; the change is named when the rest is copied."""
    place, saved, whole, source = decided
    restore(source, place.base / "in")
    restore(saved, *place.folders)
    events = place.watched.finish(*place.arguments("export webdataset"))
    restore(saved, *place.folders)
    last = [at for at, event in enumerate(events, 1) if "rename" in event and ".parquet" in event][-1]
    assert place.watched.kill_at(last, *place.arguments("export webdataset"))
    (place.base / "in" / "loose" / "x.jpg").write_bytes(b"another picture")
    (place.base / "in" / "loose" / "y.png").unlink(missing_ok=True)
    (place.base / "in" / "loose" / "y-copy.png").unlink(missing_ok=True)
    done = imagecurator(*place.arguments("export webdataset"))
    if done.returncode:
        assert "loose/" in sentence(done, 3)
        restore(source, place.base / "in")
        _do(place, "export webdataset")
    assert results(place.base / "out").items() <= whole.items()
