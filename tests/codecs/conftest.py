"""Where the development data lies; tests that use it skip where it is not."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images beside the repository."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the development data (../shared/data) is not here")
    return folder


@pytest.fixture(scope="session")
def odd_files(shared_data) -> dict[str, bytes]:
    """Name to bytes of every odd image, relative to their folder."""
    folder = shared_data / "odd"
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".md")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="session")
def photo_files(shared_data) -> list[bytes]:
    """A tenth of the photos, from every shard."""
    photos = []
    for shard in sorted((shared_data / "photos").glob("*.tar")):
        with tarfile.open(shard) as tar:
            members = [member for member in tar if member.name.endswith(".jpg")]
            photos += [tar.extractfile(member).read() for member in members[::10]]
    return photos
