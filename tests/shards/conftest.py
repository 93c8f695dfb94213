from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of eight real shards of 125 photos; the test is skipped where it is not there."""
    folder = (Path(__file__).parents[2] / "../shared/data/photos").resolve()
    if not folder.is_dir():
        pytest.skip("the real photos are not beside this checkout")
    return folder
