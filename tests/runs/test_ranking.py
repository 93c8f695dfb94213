"""The stored embeddings of a run, ranked."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.embedded import MADE, decide_by, embedded_run, unit_rows

from nemo_curator import storage
from nemo_curator.errors import IncompleteRunError, InputError
from nemo_curator.kernels.nearest import exact_cosines
from nemo_curator.runs import ranking
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.ranking import Target, rank
from nemo_curator.runs.readable_verdicts import rows_at


def named(vectors, start=0):
    """Pairs of an id and a vector; ids do not follow the source order."""
    return [(f"{(at * 7919 + start) % 10_007:05d}", vector) for at, vector in enumerate(vectors, start)]


def answer(found):
    """What an answer says, to be compared."""
    return [(one.image_id, one.cosine) for one in found.found]


def expected(pairs, query, count):
    """The same by a sort of everything."""
    rows = np.array([vector for _, vector in pairs], np.float16).reshape(len(pairs), len(query))
    cosines = exact_cosines(rows, query)
    ranked = sorted(zip(cosines.tolist(), (name for name, _ in pairs), strict=True), key=lambda one: (-one[0], one[1]))
    return [(name, cosine) for cosine, name in ranked[:count]]


@settings(max_examples=25)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(1, 60), st.integers(1, 3), st.integers(0, 99))
def test_the_answer_is_that_of_a_sort_however_the_run_is_divided(sizes, count, threads, seed):
    """Whatever the partitions, the number wanted and the number of threads; equal embeddings are in order of ids."""
    vectors = unit_rows(sum(sizes), 8, seed)
    vectors[: len(vectors) // 2] = vectors[:1]  # half of them are one
    pairs = named(vectors)
    ends = np.cumsum([0, *sizes]).tolist()
    partitions = [pairs[start:stop] for start, stop in pairwise(ends)]
    run, ids = embedded_run(f"memory://ranking/{seed}-{'-'.join(map(str, sizes))}", *partitions)
    query = unit_rows(1, 8, seed + 1)[0]
    found = rank(Target(run, ids, MADE), query, count=count, threads=threads)
    assert answer(found) == expected(pairs, query, count)
    assert found.searched == len(pairs)
    assert found.left_out == []


def test_a_large_partition_is_looked_at_in_pieces(tmp_path, monkeypatch):
    """Several threads look at pieces of one matrix, and places count through all partitions."""
    monkeypatch.setattr(ranking, "_PIECE", 320)  # ten rows
    pairs = named(unit_rows(95))
    pairs[40] = (pairs[40][0], "decode_failed")
    run, ids = embedded_run(tmp_path, pairs[:20], pairs[20:90], pairs[90:])
    query = unit_rows(1, seed=5)[0]
    found = rank(Target(run, ids, MADE), query, count=7, threads=3)
    readable = [pair for pair in pairs if not isinstance(pair[1], str)]
    assert answer(found) == expected(readable, query, 7)
    assert [readable[one.place][0] for one in found.found] == [one.image_id for one in found.found]
    assert found.searched == 94


def test_only_images_of_a_verdict(tmp_path):
    """A verdict takes the others out, and the rows of the decisions are found by place."""
    pairs = named(unit_rows(60))
    pairs[3], pairs[30] = (pairs[3][0], "over_limit"), (pairs[30][0], "decode_failed")
    run, ids = embedded_run(tmp_path, pairs[:25], [(name, "unreadable") for name, _ in named([0, 0], 500)], pairs[25:])
    every = [*pairs[:25], *((name, "unreadable") for name, _ in named([0, 0], 500)), *pairs[25:]]
    verdicts = [
        (name, "quarantine" if isinstance(what, str) else ("keep", "reject", "duplicate")[at % 3])
        for at, (name, what) in enumerate(every)
    ]
    decide_by(run, verdicts)
    query = unit_rows(1, seed=5)[0]
    for verdict in ("keep", "reject", "duplicate"):
        found = rank(Target(run, ids, MADE, verdict), query, count=5, threads=2)
        its = [pair for pair, (_, said) in zip(every, verdicts, strict=True) if said == verdict]
        assert answer(found) == expected(its, query, 5)
        assert found.searched == len(its)
        rows = rows_at(run, [one.place for one in found.found])
        assert [rows[one.place]["image_id"] for one in found.found] == [one.image_id for one in found.found]


def test_decisions_of_other_embeddings(tmp_path):
    """Decisions with too few rows, or damaged ones, are refused with what to do."""
    pairs = named(unit_rows(20))
    run, ids = embedded_run(tmp_path, pairs)
    query = unit_rows(1)[0]
    with pytest.raises(IncompleteRunError, match="decide again"):
        rank(Target(run, ids, MADE, "keep"), query, count=5)
    decide_by(run, [(name, "keep") for name, _ in pairs[:12]])
    with pytest.raises(IncompleteRunError, match="fewer rows than there are embeddings"):
        rank(Target(run, ids, MADE, "keep"), query, count=5)
    with storage.write_atomic(run.decisions) as file:
        file.write(b"PAR1 torn PAR1")
    with pytest.raises(IncompleteRunError, match="decide again"):
        rank(Target(run, ids, MADE, "keep"), query, count=5)
    with pytest.raises(IncompleteRunError, match="decide again"):
        rows_at(run, [3])


def test_what_is_not_of_the_plan_is_left_out(tmp_path):
    """Partitions without a part, with other embeddings, or with damaged ones are named and not ranked."""
    groups = [named(unit_rows(5, seed=seed), 10 * seed) for seed in range(5)]
    run, ids = embedded_run(tmp_path, *groups, [("none", "decode_failed")])
    storage.remove(run.part(ids[0]))
    embedded_run(tmp_path / "other", *groups, fingerprint="another")
    for name in ("embeddings", "embedding_matrix"):
        other = getattr(RunDirectory(str(tmp_path / "other" / "run")), name)(ids[1])
        Path(other).rename(getattr(run, name)(ids[1]))
    with open(run.embedding_matrix(ids[2]), "ab") as file:  # noqa: PTH123  a run is a path or URL
        file.write(b"more")
    storage.remove(run.embeddings(ids[3]))
    query = unit_rows(1, seed=9)[0]
    found = rank(Target(run, ids, MADE), query, count=50)
    assert found.left_out == ids[:4]
    assert answer(found) == expected(groups[4], query, 50)
    assert [one.place for one in found.found] == [
        15 + [name for name, _ in groups[4]].index(one.image_id) for one in found.found
    ]  # the part that is gone has no place


def test_a_query_of_another_length_is_refused(tmp_path):
    """Vectors of another length than the stored ones are of another model."""
    run, ids = embedded_run(tmp_path, named(unit_rows(5)))
    with pytest.raises(InputError, match="its vectors have 16 numbers, and the query has 8"):
        rank(Target(run, ids, MADE), unit_rows(1, 8)[0], count=5)


def test_progress_counts_partitions(tmp_path):
    """Somebody who watches is told of every partition."""
    run, ids = embedded_run(tmp_path, *(named(unit_rows(2), 10 * at) for at in range(4)))
    told = []
    rank(Target(run, ids, MADE), unit_rows(1)[0], count=1, progress=lambda *pair: told.append(pair))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
