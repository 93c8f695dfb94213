"""Inputs to report on: small folders of generated images."""

import json

import pytest
from tests.report.pages import HOSTILE_CAPTION, HOSTILE_NAME

from nemo_curator.testing import encoded, photo


@pytest.fixture
def pile(tmp_path):
    """A folder with every kind of input: good, small, a copy, a broken one, no image, hostile names and captions."""
    folder = tmp_path / "pile"
    folder.mkdir()
    for seed in range(5):
        (folder / f"good-{seed}.jpg").write_bytes(encoded(photo(seed), quality=90))
    (folder / "good-0.txt").write_text("A first picture")
    (folder / "good-1.json").write_text(json.dumps({"caption": "From the JSON"}))
    (folder / "zz-copy.jpg").write_bytes((folder / "good-2.jpg").read_bytes())
    (folder / "tiny.png").write_bytes(encoded(photo(7, 40, 30), "PNG"))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and nothing more")
    (folder / "list.jpg").write_text("bread, milk")
    (folder / "README.md").write_text("about")
    (folder / HOSTILE_NAME).write_bytes(encoded(photo(9), "PNG"))
    (folder / HOSTILE_NAME.replace(".png", ".txt")).write_text(HOSTILE_CAPTION)
    return folder
