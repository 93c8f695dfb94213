"""What tests of several rooms share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_models_of_the_user():
    """Weights that the person who runs the tests has are not found by them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("IMAGECURATOR_MODEL_DIR", raising=False)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development data beside the checkout; a test that needs it is skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the development data (../shared/data) is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def shared_models(shared_data: Path) -> Path:
    """A `model_dir` with the real LAION heads."""
    folder = shared_data / "models"
    if not (folder / "ttj").is_dir():
        pytest.skip("the real heads (../shared/data/models) are not beside this checkout")
    return folder
