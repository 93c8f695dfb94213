"""An index of hashes survives its file, and a damaged file is told."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kernels.hashes import changed, random_hashes

from nemo_curator.errors import InputError
from nemo_curator.kernels.hamming import HammingIndex
from nemo_curator.runs.hamming_file import open_index, write_index


def found(index: HammingIndex, hashes: np.ndarray) -> list[tuple[int, int, int]]:
    """All pairs at 31 bits."""
    blocks = [zip(*(part.tolist() for part in block), strict=True) for block in index.pairs(hashes, 31)]
    return sorted(pair for block in blocks for pair in block)


@pytest.mark.parametrize("count", [0, 3, 600, 5000])
@pytest.mark.parametrize("place", ["{}/a.npy", "memory://hamming/{}.npy"])
def test_what_is_found_is_the_same(tmp_path, count, place):
    """An index opened from its file, local or remote, finds what the first one found."""
    random = np.random.default_rng(count)
    hashes = random_hashes(random, count)
    asked = np.concatenate([changed(random, hashes[:50], 31), random_hashes(random, 100)])
    url = place.format(tmp_path if "memory" not in place else count)
    first = HammingIndex(hashes)
    write_index(url, first)
    again = open_index(url)
    assert np.array_equal(again.hashes, hashes)
    assert found(again, asked) == found(first, asked)
    assert len(found(again, asked)) >= min(50, count)


def test_equal_hashes_make_equal_bytes(tmp_path):
    """Two files of one set of hashes are the same."""
    hashes = random_hashes(np.random.default_rng(1), 700)
    for name in "ab":
        write_index(str(tmp_path / f"{name}.npy"), HammingIndex(hashes))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def broken(data: bytes, how: str) -> bytes:
    """What a disk, or a person, may make of a file."""
    if how == "short":
        return data[:-400]
    if how == "other":
        return b"not an array at all"
    if how == "rows":  # every row of the tables is one that is not there
        head = data.index(b"\n") + 1
        return data[:head] + b"\xff" * (len(data) - head)
    return b""


@pytest.mark.parametrize("how", ["short", "other", "rows", "empty"])
def test_damage_is_told(tmp_path, how):
    """A file that is cut, empty, no array, or leads outside is refused by one sentence."""
    path = tmp_path / "a.npy"
    write_index(str(path), HammingIndex(random_hashes(np.random.default_rng(2), 700)))
    path.write_bytes(broken(path.read_bytes(), how))
    with pytest.raises(InputError, match=r"a\.npy"):
        open_index(str(path))


def test_other_arrays_and_pickles_are_refused(tmp_path):
    """An array of another kind is no index, and nothing is unpickled."""
    for name, values in (
        ("b.npy", np.zeros(10)),
        ("c.npy", np.array([{}], object)),
        ("d.npy", np.zeros((3, 3), "<u4")),
    ):
        np.save(tmp_path / name, values)
        with pytest.raises(InputError, match=name[0]):
            open_index(str(tmp_path / name))
    with pytest.raises(InputError, match=r"e\.npy"):
        open_index(str(tmp_path / "e.npy"))
