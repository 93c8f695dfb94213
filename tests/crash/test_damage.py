"""Files of a run that were torn, cut or altered behind its back: found, named, and computed again where that can be."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from tests.cli.processes import imagecurator, sentence
from tests.crash.commands import dice, restore, save
from tests.crash.material import EMBEDDING
from tests.crash.place import Place
from tests.crash.test_faults_sources import delivered_members_of
from tests.main_job.material import delivered_members

NEXT = {  # what puts things right again
    "part": ("score", "decide"),
    "embeddings": ("score", "decide"),
    "matrix": ("score", "decide"),
    "decisions": ("decide",),
}


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """(a place that is scored with embeddings and decided, where that is saved, its results)."""
    place = Place.make(tmp_path_factory.mktemp("damage"), EMBEDDING)
    _do(place, "score", "decide")
    saved = save(place.base / "decided", *place.folders)
    _do(place, "export webdataset")
    return place, saved, place.results()


def _do(place, *names):
    """Commands to their good end, in this process."""
    for name in names:
        done = imagecurator(*place.arguments(name, 0))
        assert done.returncode == 0, done.stderr


def _file(place: Place, name: str) -> Path:
    """A file of the run by what it is."""
    run = place.base / "run"
    files = {"decisions": "decisions.parquet", "partitions": "partitions.parquet", "run.json": "run.json"}
    if name in files:
        return run / files[name]
    pattern = {"part": "parts/*.parquet", "embeddings": "embeddings/*.parquet", "matrix": "**/*.npy"}[name]
    return min(run.glob(pattern))


CUTS = {
    "nothing left": lambda data: b"",
    "a few bytes": lambda data: data[:3],
    "half": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-9],
    "one byte short": lambda data: data[:-1],
    "zeros behind a half": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "another file": lambda data: b"something else altogether" * 40,
}


# NumPy's own format has no checksum: a matrix of the right length is believed
UNSEEN = {("matrix", "zeros behind a half")}


@pytest.mark.parametrize(("name", "cut"), sorted({(name, cut) for name in NEXT for cut in CUTS} - UNSEEN))
def test_torn_file_is_computed_again(decided, name, cut):
    """A torn part, embedding or decision is named; the command that makes it puts it right, to the byte."""
    place, saved, whole = decided
    restore(saved, *place.folders)
    file = _file(place, name)
    before = file.read_bytes()
    file.write_bytes(CUTS[cut](before))
    said = sentence(imagecurator(*place.arguments("export webdataset")), 3)
    assert str(place.base / "run") in said
    assert "imagecurator" in said.partition(";")[2], "it says what to do next"
    assert not list((place.base / "out").rglob("*.tar"))
    _do(place, *NEXT[name], "export webdataset")
    assert place.results() == whole


@pytest.mark.parametrize("cut", CUTS)
def test_torn_list_of_partitions(decided, cut):
    """A torn list is named, with what to do; done so, the parts that are there are used."""
    place, saved, whole = decided
    restore(saved, *place.folders)
    file = _file(place, "partitions")
    file.write_bytes(CUTS[cut](file.read_bytes()))
    for name in ("score", "decide", "export webdataset"):
        said = sentence(imagecurator(*place.arguments(name)), 3)
        assert f"{file}: the list of partitions is damaged" in said
    times = {path: path.stat().st_mtime_ns for path in (place.base / "run" / "parts").iterdir()}
    file.unlink()
    _do(place, "score", "decide", "export webdataset")
    assert {path: path.stat().st_mtime_ns for path in (place.base / "run" / "parts").iterdir()} == times
    assert place.results() == whole


@pytest.mark.parametrize("cut", CUTS)
def test_torn_run_json(decided, cut):
    """Without its `run.json` a directory is nobody's: nothing in it is used, overwritten or removed."""
    place, saved, _ = decided
    restore(saved, *place.folders)
    file = _file(place, "run.json")
    file.write_bytes(CUTS[cut](file.read_bytes()))
    if cut == "one byte short":  # the last byte ends a line
        _do(place, "export webdataset")
        return
    before = place.results()
    for name, code in (("score", 4), ("decide", 3), ("export webdataset", 3)):
        assert str(place.base / "run") in sentence(imagecurator(*place.arguments(name, 0)), code)
    assert place.results() == before


def _flip_and_go_on(place: Place, name: str, chance: random.Random) -> bool:
    """Alter one bit of a file: whether it was found."""
    file = _file(place, name)
    data = bytearray(file.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)
    shutil.rmtree(place.base / "out", ignore_errors=True)
    done = imagecurator(*place.arguments("export webdataset"))
    if done.returncode:
        assert str(place.base / "run") in sentence(done, 3)
    return done.returncode != 0


def _check_flips(decided, name: str, count: int) -> None:
    """Alter a bit so many times, each time of a whole file: found, or of no effect on what is delivered."""
    place, saved, _ = decided
    restore(saved, *place.folders)
    _do(place, "export webdataset")
    members = delivered_members(place.base / "out")
    assert members or delivered_members_of(place.base / "out")
    found = 0
    for seed in range(count):
        restore(saved, *place.folders)
        if _flip_and_go_on(place, name, dice(seed)):
            found += 1
        else:
            assert delivered_members(place.base / "out") == members, (name, seed)
    assert found > count // 8


@pytest.mark.parametrize("name", ["part", "embeddings", "decisions", "partitions"])
def test_altered_bit_never_leads_astray(decided, name):
    """A bit that fell over is found where it matters and named; else it changes nothing that is delivered."""
    _check_flips(decided, name, 12)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["part", "embeddings", "decisions", "partitions"])
def test_many_altered_bits_never_lead_astray(decided, name):
    """The same at hundreds of places."""
    _check_flips(decided, name, 300)
