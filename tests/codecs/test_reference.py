"""What an embedder sees equals the reference."""

from __future__ import annotations

import pytest
from tests.codecs.golden import REFUSED
from tests.codecs.reference import off, photos_of

from nemo_curator.errors import SampleError

MOST = 0.5  # of 255, mean over the view


def test_every_fifth_photo(shared_data):
    """On a fifth of the photos, from every shard, an embedder sees the reference."""
    found = {name: off(data) for name, data in photos_of(shared_data / "photos", 5)}
    assert len(found) == 200
    assert {name: far for name, far in found.items() if far > MOST} == {}


@pytest.mark.soak
def test_every_photo(shared_data):
    """On all thousand photos."""
    found = {name: off(data) for name, data in photos_of(shared_data / "photos", 1)}
    assert len(found) == 1000
    assert {name: far for name, far in found.items() if far > MOST} == {}


def test_kodak(shared_data):
    """On every picture of the Kodak suite."""
    found = {path.name: off(path.read_bytes()) for path in sorted((shared_data / "kodak").glob("*.png"))}
    assert len(found) == 24
    assert {name: far for name, far in found.items() if far > MOST} == {}


def test_odd(odd_files):
    """On every odd file but the two that are refused."""
    found = {name: off(data) for name, data in odd_files.items() if name not in REFUSED}
    assert {name: far for name, far in found.items() if far > MOST} == {}
    for name in REFUSED:
        with pytest.raises(SampleError):
            off(odd_files[name])
