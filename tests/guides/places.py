"""Folders in which the pages are followed: photos, the demo, a small CLIP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.models.clip_towers import both_towers, write_both
from tests.models.test_heads import aesthetic_tensors, nsfw_tensors, write_aesthetic, write_nsfw
from typer.testing import CliRunner

from nemo_curator.cli.app import app
from nemo_curator.cli.demo_data import demo_files
from nemo_curator.cli.demo_folder import recipe_text
from nemo_curator.testing import encoded, make_tar, photo

Build = Callable[[Path], None]

FEW = ("photos/coffee", "photos/rocket", "photos/astronaut", "with-faults/coffee-turned", "with-faults/rocket-tiny")
"""What the files begin with that are enough of the demo for a page that shows no counts."""


def photos(name: str, count: int = 4) -> Build:
    """A folder of photos of that name."""

    def build(place: Path) -> None:
        (place / name).mkdir(parents=True)
        for number in range(count):
            (place / name / f"{number}.jpg").write_bytes(encoded(photo(number)))

    return build


def tars(name: str, key: str, count: int = 4) -> Build:
    """A folder with a tar of captioned photos; the key of each is `key` with its number."""

    def build(place: Path) -> None:
        members = [
            member
            for number in range(count)
            for member in (
                (f"{key}{number}.jpg", encoded(photo(number))),
                (f"{key}{number}.txt", b"a photo"),
                (f"{key}{number}.json", json.dumps({"similarity": "0.3"}).encode()),
            )
        ]
        make_tar(place / f"{name}.tar", members)

    return build


def few(place: Path) -> None:
    """The demo's recipe and some of its input, not curated."""
    for name, data in demo_files().items():
        if name.startswith(FEW):
            (place / "demo" / "input" / name).parent.mkdir(parents=True, exist_ok=True)
            (place / "demo" / "input" / name).write_bytes(data)
    (place / "demo" / "recipe.yaml").write_text(recipe_text(), encoding="utf-8")


def demo(place: Path) -> None:
    """The demo as `imagecurator demo` leaves it."""
    done = CliRunner().invoke(app, ["demo", str(place / "demo")])
    assert done.exit_code == 0, done.output


def models(place: Path) -> None:
    """A CLIP ViT-L/14 of small layers, and heads on it; its numbers mean nothing, its files have the true layout."""
    folder = write_both(place / "models" / "openai" / "clip-vit-large-patch14", both_towers(14, 768))
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": 224, "crop_size": 224, "resample": 3}))
    write_aesthetic(place / "models", aesthetic_tensors())
    write_nsfw(place / "models", nsfw_tensors())


def copied(source: Path, *parts: str, to: str = "") -> Build:
    """Parts of a prepared folder, or one under another name."""

    def build(place: Path) -> None:
        for part in parts:
            shutil.copytree(source / part, place / (to or part), symlinks=True)

    return build
