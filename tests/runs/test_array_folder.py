"""Arrays in a folder: as they were, mapped, or not there; never another one, and nothing unpickled."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from nemo_curator.runs.array_folder import Shape, open_arrays, write_arrays

ARRAYS = {
    "order": np.arange(12, dtype=np.uint32).reshape(3, 4),
    "first": np.arange(5),
    "none": np.empty(0, np.int64),
    "centroids": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
}


def written(folder, arrays=ARRAYS, inputs="x"):
    """The folder, with arrays in it."""
    write_arrays(folder, inputs, {name: Shape.of(one) for name, one in arrays.items()}, arrays.items())
    return folder


def same(found, arrays=ARRAYS):
    """Whether arrays are as they were, to the last bit."""
    return {name: (Shape.of(one), one.tobytes()) for name, one in found.items()} == {
        name: (Shape.of(one), one.tobytes()) for name, one in arrays.items()
    }


@pytest.mark.parametrize("place", ["{}", "memory://array-folder"])
def test_arrays_come_back(tmp_path, place):
    """Local ones mapped, those behind a URL read; only where they are made of the same."""
    folder = written(place.format(tmp_path / "index"))
    found = open_arrays(folder, "x")
    assert same(found)
    assert isinstance(found["order"], np.memmap) == ("memory" not in place)
    assert open_arrays(folder, "y") is None


@given(st.dictionaries(st.sampled_from("abc"), stn.arrays(np.int32, stn.array_shapes(max_dims=2, min_side=0))))
def test_any_arrays(arrays):
    """Whatever their sides are."""
    assert same(open_arrays(written("memory://any-arrays", arrays), "x"), arrays)


def test_pieces(tmp_path):
    """An array may come in pieces, between those of others; too few or too many leave nothing that counts."""
    folder, whole = str(tmp_path), np.arange(6).reshape(3, 2)
    shapes = {"a": Shape.of(whole), "b": Shape.of(whole)}
    pieces = [(name, whole[row]) for row in range(3) for name in "ab"]
    write_arrays(folder, "x", shapes, pieces)
    assert same(open_arrays(folder, "x"), {"a": whole, "b": whole})
    for wrong in (pieces[:-1], [*pieces, ("a", whole[0])]):
        with pytest.raises(ValueError, match="missing or too many"):
            write_arrays(folder, "x", shapes, wrong)
        assert open_arrays(folder, "x") is None


def test_equal_arrays_make_equal_bytes(tmp_path):
    """Two folders of the same arrays are the same."""
    one, other = (written(str(tmp_path / name)) for name in "ab")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted([*(f"{name}.npy" for name in ARRAYS), "facts.json"])
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), (one, other)


def damage(folder, how):
    """What a disk, a person, or a process that was killed may leave."""
    order, facts = folder / "order.npy", folder / "facts.json"
    if how == "torn":
        order.write_bytes(order.read_bytes()[:-9])
    elif how == "missing":
        order.unlink()
    elif how == "unfinished":
        facts.unlink()
    elif how == "pickled":
        np.save(order, np.array([{}], object), allow_pickle=True)
    elif how == "type":
        np.save(order, np.load(order).astype(np.int32))
    elif how == "zip":
        order.write_bytes(b"PK\3\4" + order.read_bytes()[4:])
    elif how == "no header":
        order.write_bytes(order.read_bytes().replace(b"}", b" ", 1))
    elif how == "no array":
        order.write_bytes(b"not an array")
    else:
        facts.write_text({"no facts": "[", "a list": "[1]"}.get(how) or json.dumps({"inputs": "x", "arrays": {"a": 1}}))


def test_a_wrong_number_is_told_where_it_is_looked_for(tmp_path):
    """A checksum tells that one bit is another, but of an array that is not read whole."""
    written(str(tmp_path))
    data = bytearray((tmp_path / "order.npy").read_bytes())
    data[-1] ^= 1
    (tmp_path / "order.npy").write_bytes(data)
    assert open_arrays(str(tmp_path), "x") is None
    assert open_arrays(str(tmp_path), "x", unchecked=["order"]) is not None


HOWS = [
    "zip",
    "no header",
    "torn",
    "missing",
    "unfinished",
    "pickled",
    "type",
    "no array",
    "no facts",
    "a list",
    "other facts",
]


@pytest.mark.parametrize("how", HOWS)
def test_what_is_damaged_counts_as_missing(tmp_path, how):
    """Because it can be made again; nothing is unpickled."""
    written(str(tmp_path))
    damage(tmp_path, how)
    assert open_arrays(str(tmp_path), "x") is None
