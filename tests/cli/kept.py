"""A small run, scored and decided once, of which each test gets its own copy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.cli.processes import imagecurator, pictures

from nemo_curator.testing import encoded, make_tar, photo

RECIPE = "scores: [header, entropy]\nrules: {small: 'least(width, height) < 64'}\n"
ODD = "esc\x1b[31m.jpg"  # a name that would turn a terminal red


def make_source(folder: Path) -> Path:
    """Three pictures, a copy, a small one, a broken one and one of a hostile name, loose; two in a tar."""
    pictures(folder)
    (folder / "copy.jpg").write_bytes((folder / "000.jpg").read_bytes())
    (folder / "tiny.jpg").write_bytes(encoded(photo(50, 20, 20)))
    (folder / "cut.jpg").write_bytes(encoded(photo(51, 300, 300))[:2000])
    (folder / ODD).write_bytes(encoded(photo(52)))
    make_tar(
        folder / "shard.tar", [("a.jpg", encoded(photo(60))), ("a.txt", b"a caption"), ("b.jpg", encoded(photo(61)))]
    )
    return folder  # fmt: skip


def make_place(folder: Path) -> Path:
    """A folder with an input, a recipe, a scored run and a decided run."""
    make_source(folder / "in")
    (folder / "recipe.yaml").write_text(RECIPE)
    done = imagecurator("score", folder / "in", folder / "scored", "-r", folder / "recipe.yaml")
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "scored", folder / "run")
    done = imagecurator("decide", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder


def as_json(*arguments: str | Path) -> Any:
    """What a command prints with `--json`."""
    done = imagecurator(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
