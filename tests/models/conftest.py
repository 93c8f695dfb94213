"""What the model tests share: a cache of their own, and each real model loaded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_curator.models import registry

GOLDEN = Path(__file__).parents[1] / "data" / "models"


@pytest.fixture(scope="session", autouse=True)
def graph_cache(tmp_path_factory):
    """Graphs that tests build never reach the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGECURATOR_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def lite0():
    """EfficientNet-Lite0, loaded."""
    return registry.load("efficientnet-lite0")


@pytest.fixture(scope="session")
def open_nsfw():
    """OpenNSFW, loaded."""
    return registry.load("open-nsfw")


@pytest.fixture(scope="session")
def golden():
    """The folder of golden files."""
    return GOLDEN


@pytest.fixture(scope="session")
def real_heads():
    """A model_dir with the real LAION heads, where the development data is mounted."""
    for parent in Path(__file__).resolve().parents:
        folder = parent / "shared" / "data" / "models"
        if (folder / "ttj").is_dir():
            return folder
    pytest.skip("the development data (shared/data/models) is not here")
