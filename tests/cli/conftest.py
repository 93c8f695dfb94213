from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.kept import make_place

from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions, write_partitions
from nemo_curator.shards.partitioning import Partition


@pytest.fixture(scope="session")
def made_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place that `place` is a copy of."""
    return make_place(tmp_path_factory.mktemp("place"))


@pytest.fixture
def place(made_place: Path, tmp_path: Path) -> Path:
    """A folder of one's own with `in`, `recipe.yaml`, a scored run `scored` and a decided run `run`."""
    folder = tmp_path / "place"
    shutil.copytree(made_place, folder)
    for name in ("scored", "run"):  # both read from the copy of the input
        run = RunDirectory(str(folder / name))
        moved = [
            Partition(
                tuple(replace(one, location=f"{folder}/in/{one.path}", root=f"{folder}/in") for one in part.entries)
            )
            for part in read_partitions(run)
        ]
        write_partitions(run, moved)
    return folder
