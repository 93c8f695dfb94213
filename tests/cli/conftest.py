from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.kept import make_place


@pytest.fixture(scope="session")
def made_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place that `place` is a copy of."""
    return make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture
def place(made_place: Path, tmp_path: Path) -> Path:
    """A folder of one's own with `in`, `recipe.yaml`, a scored run `scored` and a decided run `run`."""
    shutil.copytree(made_place, tmp_path / "place")
    return tmp_path / "place"
