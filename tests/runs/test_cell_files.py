"""The index of a search as files: mapped when opened, and refused where it is damaged."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kernels.vectors import clustered

from nemo_curator.errors import InputError
from nemo_curator.kernels.pair_search import cells_of
from nemo_curator.kernels.rows import ArrayRows
from nemo_curator.runs.cell_files import open_cells, write_cells


@pytest.fixture
def cells():
    """Cells of some rows."""
    return cells_of(ArrayRows([clustered(500, 16)]))


def test_cells_come_back_as_they_were(tmp_path, cells):
    """Written and mapped again, to the last bit; the same cells give the same bytes."""
    write_cells(str(tmp_path / "index"), cells)
    again = open_cells(str(tmp_path / "index"))
    for name in ("centroids", "order", "starts"):
        assert getattr(again, name).tobytes() == getattr(cells, name).tobytes()
        assert isinstance(getattr(again, name), np.memmap)
    before = {path.name: path.read_bytes() for path in (tmp_path / "index").iterdir()}
    write_cells(str(tmp_path / "index"), again)
    assert {path.name: path.read_bytes() for path in (tmp_path / "index").iterdir()} == before


def test_cells_on_other_storage(cells):
    """A URL works like a folder."""
    write_cells("memory://index", cells)
    assert open_cells("memory://index").order.tobytes() == cells.order.tobytes()


def test_no_index(tmp_path, cells):
    """Nothing there, or not all of it yet, is no index."""
    assert open_cells(str(tmp_path)) is None
    write_cells(str(tmp_path), cells)
    (tmp_path / "starts.npy").unlink()
    assert open_cells(str(tmp_path)) is None


@pytest.mark.parametrize("damage", ["torn", "missing", "pickled", "type", "starts", "order", "mixed"])
def test_a_damaged_index_is_refused(tmp_path, cells, damage):
    """In a sentence that names the folder; nothing is unpickled."""
    write_cells(str(tmp_path), cells)
    order = np.load(tmp_path / "order.npy")
    if damage == "torn":
        (tmp_path / "order.npy").write_bytes((tmp_path / "order.npy").read_bytes()[:-9])
    elif damage == "missing":
        (tmp_path / "order.npy").unlink()
    elif damage == "pickled":
        np.save(tmp_path / "order.npy", np.array([{}], object), allow_pickle=True)
    elif damage == "type":
        np.save(tmp_path / "centroids.npy", np.load(tmp_path / "centroids.npy").astype(np.float64))
    elif damage == "starts":
        np.save(tmp_path / "starts.npy", np.load(tmp_path / "starts.npy")[::-1].copy())
    elif damage == "order":
        np.save(tmp_path / "order.npy", order + 1)
    else:
        np.save(tmp_path / "starts.npy", np.load(tmp_path / "starts.npy")[:-1])
    with pytest.raises(InputError, match="the index cannot be read"):
        open_cells(str(tmp_path))
