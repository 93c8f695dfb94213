"""Folders, and what lies in them, that would end a run or lead it astray."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.main_job.material import decisions, part_rows

from nemo_curator import storage
from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe
from nemo_curator.testing import encoded, photo

RECIPE = Recipe(scores=["header"], rules={})


def outcome(folder: Path, *inputs: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """A run over inputs that must end well: id to error code ("" where there is none), and what was ignored."""
    summary = curate(list(inputs), str(folder / "out"), RECIPE, workers=0)
    summary.funnel.check()
    errors = {row["image_id"]: row["error"] or "" for row in part_rows(folder / "out")}
    quarantined = {row["image_id"] for row in decisions(folder / "out") if row["verdict"] == "quarantine"}
    assert quarantined == {image_id for image_id, error in errors.items() if error}
    return errors, tuple(summary.ignored)


def put(path: Path, number: int) -> bytes:
    """Write a picture; returns its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(photo(number)))
    return path.read_bytes()


def test_links_and_special_files(tmp_path):
    """Loops end, links out of the tree are followed, and a pipe, a socket and a dangling link are one record each."""
    root = tmp_path / "in"
    put(root / "d/a.jpg", 1)
    put(tmp_path / "outside/b.jpg", 2)
    put(tmp_path / "c.jpg", 3)
    (root / "d/up").symlink_to(root)
    (root / "d/self").symlink_to("self")
    (root / "d/gone.jpg").symlink_to("nowhere")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "c.jpg").symlink_to(root / "c2.jpg")
    (root / "c2.jpg").symlink_to(tmp_path / "c.jpg")
    os.mkfifo(root / "pipe.jpg")
    os.mkfifo(root / "pipe.tar")
    here = Path.cwd()
    os.chdir(root)  # the name of a socket may have a hundred bytes
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("socket")
    finally:
        os.chdir(here)
    errors, ignored = outcome(tmp_path, str(root))
    bad = ["d/gone.jpg", "d/self", "pipe.jpg", "pipe.tar", "socket"]
    good = ["c.jpg", "c2.jpg", "d/a.jpg", "out/b.jpg"]
    assert errors == dict.fromkeys(bad, "unreadable") | dict.fromkeys(good, "")
    assert ignored == ("d/up",)


@pytest.mark.parametrize("name", ["pipe.jpg", "pipe.tar", "pipe", "/dev/zero"])
def test_an_input_that_is_no_file(tmp_path, name):
    """A pipe or device that somebody names is one record; nothing waits for it or reads it without end."""
    place = tmp_path / name
    if not place.exists():
        os.mkfifo(place)
    errors, _ = outcome(tmp_path, str(place))
    assert errors == {place.name: "unreadable"}


def test_files_that_change_between_listing_and_reading(tmp_path, monkeypatch):
    """Gone, cut, and replaced by a folder: each is one record."""
    root = tmp_path / "in"
    for at, name in enumerate(["0.jpg", "cut.jpg", "dir.jpg", "gone.jpg"]):
        put(root / name, at)
    opened, first = storage.open, True

    def open_and_change(url: str, **how: bool) -> object:
        nonlocal first
        file = opened(url, **how)
        if first and url.endswith("0.jpg"):
            first = False
            os.truncate(root / "cut.jpg", 0)
            (root / "gone.jpg").unlink()
            (root / "dir.jpg").unlink()
            (root / "dir.jpg").mkdir()
        return file

    monkeypatch.setattr(storage, "open", open_and_change)
    errors, _ = outcome(tmp_path, str(root))
    assert errors == {
        "0.jpg": "",
        "cut.jpg": "not_an_image",
        "dir.jpg": "unreadable",
        "gone.jpg": "unreadable",
    }


def test_files_and_folders_without_permission(tmp_path):
    """An image, a caption, a tar and a folder that may not be read are a record each; the rest of the run goes on."""
    root = tmp_path / "in"
    for at, name in enumerate(["a.jpg", "b.jpg", "c.jpg", "closed/x.jpg"]):
        put(root / name, at)
    (root / "b.txt").write_bytes(b"caption")
    (root / "t.tar").write_bytes(bytes(10240))
    for name in ("a.jpg", "b.txt", "t.tar", "closed"):
        (root / name).chmod(0)
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "out").mkdir(mode=0o777)
    (tmp_path / "out").chmod(0o777)
    script = (
        "import os, sys\n"
        "from tests.main_job.test_hostile_folder import outcome\n"
        "from pathlib import Path\n"
        "os.geteuid() or os.seteuid(65534)\n"
        "print(outcome(Path(sys.argv[1]), sys.argv[2])[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(root)], capture_output=True, text=True, check=False
    )
    (root / "closed").chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(
        {"a.jpg": "unreadable", "b.jpg": "unreadable", "c.jpg": "", "closed": "unreadable", "t.tar": "unreadable"}
    )


def test_names_of_every_kind(tmp_path):
    """Newlines, backslashes, undecodable bytes, marks that turn text round, case, normalisation: all distinct."""
    root = tmp_path / "in"
    names = [
        "n\nl.jpg",
        "b\\s.jpg",
        "\\xff.jpg",
        "ж\u202eк.jpg",
        "K.jpg",
        "k.jpg",
        "é.jpg",
        "e\u0301.jpg",
        "l" * 251 + ".jpg",
    ]
    for at, name in enumerate([*names, "\udcff.jpg"]):
        put(root / name, at)
    if len(os.listdir(root)) <= len(names):  # noqa: PTH208  names, not paths
        pytest.skip("this file system takes some of the names for the same")
    errors, _ = outcome(tmp_path, str(root))
    assert set(errors.values()) == {""}
    assert set(errors) == {*names[:2], "\\x5cxff.jpg", *names[3:], "\\xff.jpg"}
