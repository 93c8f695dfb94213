"""The how-to about filters is followed to the letter: its files are written, its package is built and used."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from nemo_curator.testing import encoded, photo

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-filter.md"


def commands():
    """Every command that the page shows, without its prompt."""
    return re.findall(r"^\$ (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def run(where, *words, path=""):
    """Run a program of this environment in a folder, with more on the module path; it must succeed."""
    environment = {**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=where, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A folder with every file of the page, photos, and the package installed beside."""
    folder = tmp_path_factory.mktemp("warm")
    page = PAGE.read_text(encoding="utf-8")
    for name, text in re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', page, re.DOTALL):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    (folder / "photos").mkdir()
    for seed in range(6):
        pixels = photo(seed).copy()
        pixels[..., 2 if seed % 2 else 0] //= 3  # odd ones are warm
        (folder / "photos" / f"{seed}.jpg").write_bytes(encoded(pixels))
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    run(folder, "pip", "install", *options, "--target", "site", ".")
    return folder


def test_its_own_test_passes(followed):
    """The test that the page shows passes against the installed package."""
    said = run(followed, "pytest", "-q", "-p", "no:cacheprovider", path="site")
    assert "2 passed" in said


def test_its_recipe_runs(followed):
    """The recipe finds the score by its entry point, stores its column and rejects by it."""
    said = run(followed, "nemo_curator.cli", *commands()[2].split()[1:], path="site")
    assert "cold" in said
    (part,) = (followed / "curated" / "run" / "parts").glob("*.parquet")
    warmth = dict(zip(*pq.ParquetFile(part).read(["image_id", "warmth"]).to_pydict().values(), strict=True))
    assert {name for name, value in warmth.items() if value >= 0} == {"1.jpg", "3.jpg", "5.jpg"}
    decisions = pq.ParquetFile(followed / "curated" / "run" / "decisions.parquet").read().to_pylist()
    assert {row["image_id"]: row["rule"] for row in decisions if row["verdict"] == "reject"} == dict.fromkeys(
        ["0.jpg", "2.jpg", "4.jpg"], "cold"
    )


def test_its_dotted_path_runs(followed):
    """Without an installed package the class is found by its dotted path."""
    path, _, words = commands()[3].partition(" imagecurator ")
    assert path == "PYTHONPATH=src"
    run(followed, "nemo_curator.cli", *words.split(), path="src")
    (part,) = (followed / "trial" / "parts").glob("*.parquet")
    assert "warmth" in pq.ParquetFile(part).schema_arrow.names


def test_its_pipeline_runs(followed):
    """The hand-made pipeline writes the warm photos, and those alone."""
    done = subprocess.run(
        [sys.executable, "pipeline.py"],
        cwd=followed,
        env={**os.environ, "PYTHONPATH": f"site{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tables = [pq.ParquetFile(path).read() for path in (followed / "warm").glob("*.parquet")]
    assert sum(table.num_rows for table in tables) <= 3
    assert all(value >= 0.1 for table in tables for value in table["warmth"].to_pylist())


def test_every_command_of_the_page_is_tried():
    """The commands that the page shows are those that the tests above follow."""
    programs = [command.split(" imagecurator ")[-1].split()[0] for command in commands()]
    assert programs == ["pip", "python", "imagecurator", "score"]
