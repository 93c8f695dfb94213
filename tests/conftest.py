"""What tests of several rooms share."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ours", deadline=None)  # time decides no test
settings.load_profile("ours")

# Models compute on the CPU in tests, wherever they run. Tests of CUDA take the devices back with the fixture `cuda`.
ASKED = os.environ.get("CUDA_VISIBLE_DEVICES")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# A cluster of Ray's is for those who know its token; it would write one below the home directory.
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


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


@pytest.fixture
def asked():
    """What is asked of places that begin with `counted://`, where nothing is at the beginning: see `counted_files`."""
    from tests.counted_files import counting

    with counting() as asked:
        yield asked


@pytest.fixture
def cuda(monkeypatch):
    """torch, with the CUDA devices that the tests were started with; a skip where there is none, or no torch for it."""
    from nemo_curator.models import numerics
    from nemo_curator.models.runtimes import cuda as probe

    if ASKED is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ASKED)
    asked_again = (probe.devices, numerics.runtimes)
    for answer in asked_again:
        answer.cache_clear()
    torch = pytest.importorskip("torch", reason="torch is an extra")
    if not probe.devices():
        pytest.skip("there is no CUDA device")
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device; if another test hid them from it, run this file alone")
    yield torch
    for answer in asked_again:
        answer.cache_clear()
