"""Benchmarks are scripts that work, and are listed where a reader looks for them."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nemo_curator.codecs.views import cut
from nemo_curator.kernels.view import View
from nemo_curator.stages.image.statistics import STATISTICS_VIEW
from nemo_curator.testing import encoded, make_tar, photo

VIEWS = [STATISTICS_VIEW, View(256, crop=224), View(256, "squash", 224, "bilinear")]
ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_benchmark_is_listed(name):
    """Each script has a row in the README beside it, and its command stands beside its figures in the docs."""
    assert f"| `{name}` |" in (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert f"python benchmarks/{name}" in (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["import_time.py", "tar_walk.py"])
def test_short_benchmarks_run(name, tmp_path):
    """The benchmarks that take seconds run to their end and print a ratio."""
    script = ROOT / "benchmarks" / name
    place = {**os.environ, "IMAGECURATOR_RESULTS": str(tmp_path / "results")}  # figures of a test are none to keep
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / name).with_suffix(".json").is_file()
    assert '"ratio"' in done.stdout or '"times_faster"' in done.stdout


@pytest.mark.parametrize("size", [(500, 375), (1500, 1000), (401, 533)])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.filter)
def test_the_bare_loop_computes_from_the_same_pictures(monkeypatch, size, view):
    """The bound of a run cuts the very views that the product cuts, so it does the same work."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "contenders"))
    from bare_limit import view_of  # noqa: PLC0415 (a script)

    pixels = photo(1, *size)
    assert np.array_equal(view_of(pixels, view), cut(pixels, [view])[view])


def test_the_bare_loop_passes_every_byte_through(tmp_path):
    """Its tars hold the members of their sources, whole and in order."""
    source = tmp_path / "photos"
    source.mkdir()
    members = [(f"{at}.{kind}", data) for at in range(3) for kind, data in (("jpg", encoded(photo(at))), ("txt", b"x"))]
    make_tar(source / "a.tar", members)
    script = ROOT / "benchmarks" / "contenders" / "bare_limit.py"
    done = subprocess.run(
        [sys.executable, str(script), "statistics", str(source), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    with tarfile.open(tmp_path / "out" / "a.tar") as tar:
        assert [(one.name, tar.extractfile(one).read()) for one in tar] == members


def test_every_way_to_do_a_work_is_there(monkeypatch, tmp_path):
    """Ours comes first and needs no environment; the others have an environment, known, and a script that is there."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import peers  # noqa: PLC0415 (a script)

    for work in peers.IMAGES:
        first, *others = peers.contenders(work, tmp_path / "openai" / peers.TOWER)
        assert first.environment == ""
        assert others
        for one in others:
            assert not one.environment or Path(one.command[0]).exists()


def test_our_resizing_makes_small_jpegs(tmp_path):
    """What is compared with another resizer does the whole work: every photo is written with a short side of 256."""
    source = tmp_path / "photos"
    source.mkdir()
    make_tar(source / "a.tar", [(f"{at}.jpg", encoded(photo(at, 500, 375))) for at in range(3)])
    script = ROOT / "benchmarks" / "contenders" / "resize_pipeline.py"
    done = subprocess.run(
        [sys.executable, str(script), "resize", str(source), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("images 3\n")
    with tarfile.open(next((tmp_path / "out").glob("*.tar"))) as tar:
        sizes = [Image.open(tar.extractfile(name)).size for name in tar.getnames()]
    assert sizes == [(341, 256)] * 3


@pytest.mark.parametrize(
    ("request_line", "kind", "place"),
    [
        (("GET", "/b/in/0.tar", "bytes=0-9"), "GET range", "input"),
        (("GET", "/b?list-type=2&prefix=run%2Fparts%2F&max-keys=1000", ""), "LIST", "parts"),
        (("GET", "/b/?list-type=2&prefix=in", ""), "LIST", "input"),
        (("PUT", "/b/whole/run/embeddings/0.parquet", ""), "PUT", "embeddings"),
        (("PUT", "/b/data/0.tar?partNumber=1&uploadId=x", ""), "multipart", "data set"),
        (("HEAD", "/b/near/0.tar", ""), "HEAD", "data set"),
        (("DELETE", "/b/shared/run.json", ""), "DELETE", "run"),
    ],
)
def test_requests_are_told_apart(monkeypatch, request_line, kind, place):
    """The benchmark of requests knows what each is, and where it goes."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import object_requests  # noqa: PLC0415 (a script)
    from support.request_kinds import kind_and_key  # noqa: PLC0415 (the same)

    found, key = kind_and_key(*request_line)
    assert (found, object_requests.place_of(key)) == (kind, place)


def test_what_more_shards_add_is_what_a_shard_costs(monkeypatch):
    """Of 3 requests a shard and 5 a run the benchmark finds both."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import object_requests  # noqa: PLC0415 (a script)

    few, many = ({"score": {"parts": {"GET": 5 + 3 * shards, "PUT": 0}}} for shards in (4, 16))
    found = object_requests.lines(few, many, (4, 16))
    assert found == {"score": {"parts": {"GET": {"a_shard": 3, "a_run": 5, "counted": 53}}}}
