"""The README is run, not believed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_curator.stages.catalogue import score_names
from nemo_curator.testing import encoded, make_tar, photo

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
CONSOLE = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory with photos, where the README's commands have run in order."""
    folder = tmp_path_factory.mktemp("readme")
    make_tar(folder / "photos" / "0.tar", [(f"{i}.jpg", encoded(photo(i, 200, 150))) for i in range(6)])
    script = Path(sys.executable).with_name("imagecurator")
    for line in CONSOLE:
        if line.startswith("imagecurator"):
            words = shlex.split(line, comments=True)
            done = subprocess.run([str(script), *words[1:]], cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, (line, done.stderr)
    return folder


def test_the_commands_make_what_the_readme_shows(folder):
    """After the README's commands, the files that it lists are there."""
    for name in ("00000.tar", "00000.parquet", "manifest.json", "run/report.html", "run/decisions.parquet"):
        assert (folder / "curated" / name).is_file()
    assert (folder / "strict" / "manifest.json").is_file()


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_the_python_runs(folder, number):
    """Every Python block of the README runs as it stands, as a script without an import guard."""
    script = folder / f"block{number}.py"
    script.write_text(PYTHON[number])
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, script.name], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_two_commands_are_there():
    """The first screen shows the two commands, and make knows both."""
    assert [line.split("#")[0].strip() for line in CONSOLE[:2]] == ["make demo", "make test"]


def test_it_counts_the_scores_right():
    """The number of scores that it boasts of is that of the pages, and of the scores that a recipe can name."""
    pages = [path.stem for path in (ROOT / "docs/reference/scores").glob("*.md") if path.stem != "index"]
    assert sorted(pages) == score_names()
    ones = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    said = re.search(r"^(\w+)(?:-(\w+))? scores, each with", README, re.MULTILINE)
    assert said
    assert {"Twenty": 20, "Thirty": 30}[said[1]] + ones.index(said[2] or "") == len(pages)


def test_the_picture_exists():
    """Every picture and file that the README links to is in the repository."""
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
