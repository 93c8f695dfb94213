"""A run as one side of a search: its different hashes or embeddings, and what was sorted of them before.

What a search within a run has sorted is stored in that run, and used by every later one against it: new images are
looked up, and of the old ones only what they are near is read. The result is the same with and without.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from nemo_curator.kernels.cell_heads import CellHeads, heads_by_cell
from nemo_curator.kernels.cells import Cells
from nemo_curator.kernels.hamming import HammingIndex
from nemo_curator.kernels.rows import Rows
from nemo_curator.kernels.similar import SHORTEST, shortest_head
from nemo_curator.runs.array_folder import Array, Shape, open_arrays, write_arrays
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.distinct import Distinct, Ints, distinct_embeddings, distinct_hashes
from nemo_curator.runs.pairing.pair_file import COPIES, SIMILAR
from nemo_curator.runs.pairing.vectors import gathered_vectors, stored_vectors

WORTH_STORING = 50_000
"""Records of a run from which on it stores what a search has sorted: of fewer it is made anew sooner than read."""

_POSITIONS = ("first", "equal_to", "others")
_CELLS = ("centroids", "order", "starts")
_HEADS = ("firsts", "rests", "scales")
_LARGE = ("hashes", "order", "near")  # some 160 bytes an image, of which a search looks at some


@dataclass(frozen=True, slots=True)
class Hashed:
    """The different hashes of a run.

    Attributes:
        distinct: Which images have them.
        index: What others are looked up in; sorted when that is first done, or before.
    """

    distinct: Distinct
    index: HammingIndex

    def store(self, run: RunDirectory, inputs: str) -> None:
        """Write the index into the run.

        Args:
            run: The run.
            inputs: Fingerprint of what it is made of.

        Raises:
            StorageError: A file cannot be written.
        """
        positions = _positions(self.distinct)
        shapes = {name: Shape.of(array) for name, array in positions.items()}
        shapes |= {name: Shape(*shape) for name, shape in self.index.shapes().items()}
        pieces = (piece for some in (positions.items(), self.index.stored()) for piece in some)
        write_arrays(run.index(COPIES), inputs, shapes, pieces)


def hashed(run: RunDirectory, partition_ids: Sequence[str], inputs: str) -> Hashed:
    """The different hashes of a run, as they are stored or made anew.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        inputs: Fingerprint of what they are made of.

    Raises:
        InputError: A part is missing or damaged.
    """
    arrays = open_arrays(run.index(COPIES), inputs, unchecked=_LARGE)
    if arrays is not None:
        try:
            return Hashed(Distinct(*(arrays[name] for name in _POSITIONS)), HammingIndex.from_arrays(arrays))
        except (KeyError, ValueError):
            pass  # it is damaged, and made anew
    distinct, hashes = distinct_hashes(run, partition_ids, turned=False)
    return Hashed(distinct, HammingIndex(hashes))


@dataclass(frozen=True, slots=True)
class Embedded:
    """The different embeddings of a run.

    Attributes:
        distinct: Which images have them.
        numbers: `(M,)`, which row each is of all embeddings of the run.
        rows: They themselves.
        cells: The cells that they stand in; None where nobody has made them.
    """

    distinct: Distinct
    numbers: Ints
    rows: Rows
    cells: Cells | None = None

    def store(self, run: RunDirectory, inputs: str) -> None:
        """Write the cells into the run, if there are any.

        Args:
            run: The run.
            inputs: Fingerprint of what they are made of.

        Raises:
            StorageError: A file cannot be written.
        """
        if self.cells is None:
            return
        arrays: dict[str, Array] = {**_positions(self.distinct), "numbers": self.numbers}
        arrays |= {name: np.asarray(getattr(self.cells, name)) for name in _CELLS}
        shapes = {name: Shape.of(array) for name, array in arrays.items()}
        count, rows = shortest_head(self.rows.dimension), len(self.rows)
        heads: Iterable[CellHeads] = ()
        if count >= SHORTEST:
            shapes |= dict(zip(_HEADS, (Shape("<f2", (rows, count - 1)), *[Shape("<f4", (rows,))] * 2), strict=True))
            heads = heads_by_cell(self.rows, self.cells.order, count)
        pieces = ((name, np.asarray(getattr(one, name))) for one in heads for name in _HEADS)
        write_arrays(run.index(SIMILAR), inputs, shapes, chain(arrays.items(), pieces))


def embedded(run: RunDirectory, partition_ids: Sequence[str], inputs: str, folder: str) -> Embedded:
    """The different embeddings of a run, with their cells where these are stored.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order.
        inputs: Fingerprint of what they are made of.
        folder: A folder for a temporary file.

    Raises:
        InputError: A part or embeddings are missing or damaged.
        StorageError: There is no room for the file.
    """
    arrays = open_arrays(run.index(SIMILAR), inputs)
    if arrays is not None and {*_POSITIONS, *_CELLS, "numbers"} <= arrays.keys():
        distinct, numbers = Distinct(*(arrays[name] for name in _POSITIONS)), arrays["numbers"]
        cells = Cells(arrays["centroids"], arrays["order"], arrays["starts"])
        if cells.fit(len(numbers)):
            rows = stored_vectors(run, partition_ids, numbers, folder)
            return Embedded(distinct, numbers, rows, replace(cells, heads=_heads(arrays, rows)))
    distinct, numbers = distinct_embeddings(run, partition_ids)
    return Embedded(distinct, numbers, gathered_vectors(run, partition_ids, numbers, folder))


def _heads(arrays: Mapping[str, Array], rows: Rows) -> CellHeads | None:
    """The stored heads of some rows; None where there are none, or they are none that a search would make."""
    if not set(_HEADS) <= arrays.keys():
        return None
    heads = CellHeads(**{name: arrays[name] for name in _HEADS})
    return heads if heads.fit(len(rows), shortest_head(rows.dimension)) else None


def _positions(distinct: Distinct) -> dict[str, Ints]:
    return {name: np.asarray(getattr(distinct, name)) for name in _POSITIONS}
