from __future__ import annotations

from pathlib import Path

import pytest
from tests.main_job.material import curated, make_input

SHARED = (Path(__file__).parents[2] / "../shared/data").resolve()


def _shared(name: str) -> Path:
    """A folder of real data; the test is skipped where it is not there."""
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"the real {name} are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of eight real shards of 125 photos; the test is skipped where it is not there."""
    return _shared("photos")


@pytest.fixture(scope="session")
def hostile() -> Path:
    """The folder of files that are made to break decoders."""
    return _shared("hostile")


@pytest.fixture(scope="session")
def odd() -> Path:
    """The folder of unusual images that are all right."""
    return _shared("odd")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small input with everything in it that a real one has."""
    return make_input(tmp_path_factory.mktemp("made") / "input")


@pytest.fixture(scope="module")
def made_output(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That input, curated with two workers."""
    output = tmp_path_factory.mktemp("made-output") / "out"
    curated(made, output)
    return output
