"""Which of many look-alikes stay, and which kept one each of the others duplicates.

Greedy, in an order of preference: an item is a duplicate if a kept item before it is linked to it; else it is kept. So
a chain of look-alikes never removes an item whose only match is itself removed. Items that are equal share a code, so
that a group of a million equal items costs a million steps, not a million million pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_Codes = npt.NDArray[np.int32]


class Links(NamedTuple):
    """Some pairs of codes whose items duplicate each other.

    Attributes:
        left: `(K,)` int64 codes.
        right: `(K,)` int64 codes.
        distance: `(K,)` float64, 0 or more.
    """

    left: Ints
    right: Ints
    distance: Floats


class Kind(NamedTuple):
    """One way in which items duplicate each other.

    Attributes:
        codes: `(N,)` int64; items of equal code duplicate each other at distance 0; below 0 where an item has none.
        links: Gives the pairs of codes that are near enough, each once in either order, in blocks of any order. It is
            called twice, and gives the same both times. Codes that no item has are passed over.
    """

    codes: Ints
    links: Callable[[], Iterable[Links]] = tuple


class Resolution(NamedTuple):
    """What became of each item.

    Attributes:
        duplicate_of: `(N,)` int64, the kept item that it duplicates; -1 where it is kept itself.
        kind: `(N,)` int64, the kind by which it does; -1 where it is kept.
        distance: `(N,)` float64, how far it is from that one; NaN where it is kept.
    """

    duplicate_of: Ints
    kind: Ints
    distance: Floats


def resolve(fixed: npt.NDArray[np.bool_], kinds: Sequence[Kind]) -> Resolution:
    """Keep items greedily, and name for each other one the kept item that it duplicates.

    The item that a duplicate names is, of all kept items that are linked to it, one of the first kind that links any;
    of these the nearest; of these the most preferred.

    Args:
        fixed: `(N,)`, items that are kept whatever duplicates them, and come before all others; they may be items of
            elsewhere, which only stand for others. Otherwise items stand in the order of preference, the best first.
        kinds: The kinds, the first counting most. A code is 0 or more, and memory grows with the largest.

    Returns:
        Of all items; it depends on no order but that of the items. Memory grows with items and links: 4 bytes for each
        link in each direction, besides a block.
    """
    order = np.argsort(~fixed, kind="stable")
    graphs = [_Graph(kind) for kind in kinds]
    kept = _kept(fixed, order, graphs)
    return _named(kept, order, kinds, graphs)


class _Graph:
    """The links of one kind, from each code to its neighbours.

    Attributes:
        codes: `(N,)` int32, codes counted from 0 without gaps; -1 where an item has none.
        size: How many codes there are.
        place: From a code as it was given to one without gaps; -1 where no item has it.
        offsets: `(size + 1,)` where the neighbours of each code begin.
        neighbours: `(2 L,)` int32.
        active: `(N,)`, whether each item shares its code, or its code has a neighbour.
    """

    def __init__(self, kind: Kind) -> None:
        given = kind.codes
        largest = int(given.max(initial=-1))
        there = np.zeros(largest + 1, np.bool_)
        there[given[given >= 0]] = True
        self.place = np.where(there, np.cumsum(there, dtype=np.int32) - 1, np.int32(-1)).astype(np.int32)
        self.size = int(np.count_nonzero(there))
        self.codes: _Codes = np.full(len(given), -1, np.int32)
        self.codes[given >= 0] = self.place[given[given >= 0]]
        counts = np.zeros(self.size + 1, np.int64)
        for left, right, _ in self.blocks(kind):
            for codes in (left, right):
                np.add.at(counts[1:], codes, 1)  # as long as the block, not as all codes
        self.offsets: Ints = np.cumsum(counts)
        self.neighbours: _Codes = np.empty(int(self.offsets[-1]), np.int32)
        filled = self.offsets[:-1].copy()
        for left, right, _ in self.blocks(kind):
            self._fill(filled, left, right)
            self._fill(filled, right, left)
        self.active = self._is_active()

    def blocks(self, kind: Kind) -> Iterable[tuple[_Codes, _Codes, Floats]]:
        """The links between codes that items have, as codes without gaps."""
        for left, right, distance in kind.links():
            inside = (left < len(self.place)) & (right < len(self.place)) & (left != right)
            one, other = self.place[left[inside]], self.place[right[inside]]
            both = (one >= 0) & (other >= 0)
            yield one[both], other[both], distance[inside][both]

    def _fill(self, filled: Ints, codes: _Codes, others: _Codes) -> None:
        """Put some neighbours behind those that each code has already."""
        by_code = np.argsort(codes, kind="stable")
        codes = codes[by_code]
        first = np.searchsorted(codes, codes, "left")
        self.neighbours[filled[codes] + np.arange(len(codes)) - first] = others[by_code]
        np.add.at(filled, codes, 1)

    def _is_active(self) -> npt.NDArray[np.bool_]:
        own = np.bincount(self.codes[self.codes >= 0], minlength=self.size)
        busy = np.append((own > 1) | (np.diff(self.offsets) > 0), False)
        found: npt.NDArray[np.bool_] = busy[self.codes]
        return found


def _kept(fixed: npt.NDArray[np.bool_], order: Ints, graphs: Sequence[_Graph]) -> npt.NDArray[np.bool_]:
    """`(N,)`, which items are kept; only those that have anything to do with another are looked at one by one."""
    kept = np.ones(len(fixed), np.bool_)
    items = order[np.any([np.zeros(len(order), np.bool_), *(graph.active for graph in graphs)], axis=0)[order]]
    covered = [bytearray(graph.size + 1) for graph in graphs]  # the last is for items without a code
    spread = [bytearray(graph.size + 1) for graph in graphs]  # codes whose neighbours are covered
    for one in spread:
        one[-1] = 1
    columns = [graph.codes[items].tolist() for graph in graphs]
    parts = list(zip(graphs, covered, spread, [np.frombuffer(one, np.uint8) for one in covered], strict=True))
    dropped = []
    stays = fixed[items].tolist()
    for at, codes in enumerate(zip(*columns, strict=True)):
        duplicate = False
        for cover, code in zip(covered, codes, strict=True):
            if cover[code]:
                duplicate = not stays[at]
                break
        if duplicate:
            dropped.append(at)
            continue
        for (graph, cover, done, view), code in zip(parts, codes, strict=True):
            if not done[code]:
                done[code] = cover[code] = 1
                begin, end = graph.offsets[code], graph.offsets[code + 1]
                if begin < end:
                    view[graph.neighbours[begin:end]] = 1
    kept[items[dropped]] = False
    return kept


def _named(kept: npt.NDArray[np.bool_], order: Ints, kinds: Sequence[Kind], graphs: Sequence[_Graph]) -> Resolution:
    """Of each item that is not kept the kept one that it names."""
    found = Resolution(np.full(len(kept), -1), np.full(len(kept), -1), np.full(len(kept), np.nan))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    for number, (kind, graph) in enumerate(zip(kinds, graphs, strict=True)):
        open_ = np.flatnonzero(~kept & (found.kind < 0) & (graph.codes >= 0))
        if not len(open_):
            continue
        nearest, distance = _nearest_kept(kept, rank, kind, graph)
        best = nearest[graph.codes[open_]]
        hit = best < len(order)
        found.duplicate_of[open_[hit]] = order[best[hit]]
        found.kind[open_[hit]] = number
        found.distance[open_[hit]] = distance[graph.codes[open_[hit]]]
    return found


def _nearest_kept(kept: npt.NDArray[np.bool_], rank: Ints, kind: Kind, graph: _Graph) -> tuple[Ints, Floats]:
    """Of each code the rank of the nearest kept item, of equally near ones the best; and its distance."""
    nobody = len(rank)
    owner = np.full(graph.size, nobody, np.int64)
    owners = np.flatnonzero(kept & (graph.codes >= 0))
    np.minimum.at(owner, graph.codes[owners], rank[owners])
    nearest, distance = owner.copy(), np.where(owner < nobody, 0.0, np.inf)
    for left, right, apart in graph.blocks(kind):
        for code, other in ((left, right), (right, left)):
            some = np.flatnonzero(owner[other] < nobody)
            codes, ranks, far = code[some], owner[other[some]], apart[some]
            better = (far < distance[codes]) | ((far == distance[codes]) & (ranks < nearest[codes]))
            codes, ranks, far = codes[better], ranks[better], far[better]
            first = np.lexsort((ranks, far, codes))
            first = first[np.diff(codes[first], prepend=-1) != 0]
            nearest[codes[first]], distance[codes[first]] = ranks[first], far[first]
    return nearest, distance
