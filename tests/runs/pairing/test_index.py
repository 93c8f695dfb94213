"""What a run stores of a search, for those against it: used where it fits, never believed where it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.elsewhere import other_set
from tests.runs.embedded import unit_rows
from tests.runs.paired import hashed_run, image, near_hashes

from nemo_curator.kernels.pair_search import SearchSettings, cells_of, search_between, search_within
from nemo_curator.kernels.rows import ArrayRows
from nemo_curator.runs.deciding import Policy
from nemo_curator.runs.deciding.id_lists import read_id_list
from nemo_curator.runs.pairing import searches
from nemo_curator.runs.pairing.between import find_pairs_between
from nemo_curator.runs.pairing.sides import embedded, hashed
from nemo_curator.runs.pairing.store import Wanted, find_pairs, inputs_of
from nemo_curator.runs.records import records_of

COPIES = Wanted("copies", 31, {"pdq": "x"})
SIMILAR = Wanted("similar", 0.2, {"embedding": "x"})
VECTORS = unit_rows(400, 12, seed=3)
VECTORS[200:] = VECTORS[:200] + 0.05 * unit_rows(200, 12, seed=4)
MANY = near_hashes(700, 5)


def rows_of(hashes, letter="a"):
    """A row a hash."""
    return [image(f"{letter}{at:03}", one) for at, one in enumerate(hashes)]


def embedded_rows(vectors, letter="a"):
    """Rows, and id to vector."""
    rows = [image(f"{letter}{at:03}") for at in range(len(vectors))]
    return rows, dict(zip((one["image_id"] for one in rows), vectors, strict=True))


def against(folder, how=None):
    """An earlier run of hashes in two parts, and what it is as a set of elsewhere, with its index."""
    other = other_set(folder, "against", "old", rows_of(MANY[:300]), rows_of(MANY[300:], "b"), how=how)
    find_pairs(other.run, other.partition_ids, [COPIES], worth_storing=0)
    return other


def bytes_of(file):
    """What was written."""
    return Path(file.url).read_bytes()


def test_an_index_is_stored_and_used(tmp_path, monkeypatch):
    """A search within a run leaves the order of its hashes there; one against it sorts nothing, and finds the same."""
    run, ids = hashed_run(tmp_path / "new", rows_of([*near_hashes(50, 6), *MANY[::20]]))
    other = against(tmp_path)
    assert {path.name for path in Path(other.run.index("copies")).iterdir()} == {
        "facts.json", "first.npy", "equal_to.npy", "others.npy", "hashes.npy", "order.npy", "near.npy", "offsets.npy",
    }  # fmt: skip
    with monkeypatch.context() as patch:
        # neither are the hashes of the other run read, nor sorted
        patch.setattr("nemo_curator.kernels.hamming._sorted", None)
        found = find_pairs_between(run, ids, [other], [COPIES])
    for path in Path(other.run.index("copies")).iterdir():
        path.unlink()
    anew = find_pairs_between(run, ids, [other], [COPIES], folder=str(tmp_path / "anew"))
    files = [one["against-old"]["copies"] for one in (found, anew)]
    assert files[0].facts.pairs > 10
    assert len({bytes_of(file) for file in files}) == 1


def test_few_are_not_worth_it(tmp_path):
    """A small run stores nothing, and neither does a dry run."""
    run, ids = hashed_run(tmp_path, rows_of(MANY))
    find_pairs(run, ids, [COPIES])
    assert not (tmp_path / "run" / "index").exists()
    find_pairs(run, ids, [replace(COPIES, radius=40)], folder=str(tmp_path / "dry"), worth_storing=0)
    assert not (tmp_path / "run" / "index").exists()


@pytest.mark.parametrize("how", ["other columns", "other records", "torn", "led astray", "gone"])
def test_an_index_that_does_not_fit_is_made_anew(tmp_path, how):
    """One of other hashes, or a damaged one, changes nothing of what is found."""
    other = against(tmp_path)
    index = Path(other.run.index("copies"))
    wanted = replace(COPIES, columns={"pdq": "y"}) if how == "other columns" else COPIES
    if how == "other records":
        changed = rows_of(near_hashes(300, 9))
        other_set(tmp_path, "against", "old", changed, rows_of(MANY[300:], "b"))
    elif how == "torn":
        (index / "near.npy").write_bytes((index / "near.npy").read_bytes()[:-4])
    elif how == "led astray":
        order = np.load(index / "order.npy")
        np.save(index / "order.npy", np.full_like(order, 10_000))
    elif how == "gone":
        (index / "first.npy").unlink()
    inputs = inputs_of(wanted.columns, records_of(other.run, other.partition_ids).digest)
    hashes = hashed(other.run, other.partition_ids, inputs).index.hashes
    assert not isinstance(hashes, np.memmap)
    run, ids = hashed_run(tmp_path / "new", rows_of(near_hashes(90, 6)))
    found = find_pairs_between(run, ids, [other], [wanted])["against-old"]["copies"]
    for path in index.iterdir():
        path.unlink()
    anew = find_pairs_between(run, ids, [other], [wanted], folder=str(tmp_path / "anew"))["against-old"]["copies"]
    assert bytes_of(found) == bytes_of(anew)


@settings(max_examples=20)
@given(kept=st.lists(st.booleans(), min_size=60, max_size=60))
def test_only_what_counts_is_found(tmp_path_factory, kept):
    """Whatever an earlier run kept: of equal images the first that it kept stands for all, and no other is named."""
    folder = tmp_path_factory.mktemp("counted")
    hashes = near_hashes(60, 7, bases=2)
    (folder / "deny.txt").write_text("".join(f"a{at:03}\n" for at, one in enumerate(kept) if not one))
    how = Policy(duplicate_bytes=False, deny=read_id_list(str(folder / "deny.txt")))
    other = other_set(folder, "against", "old", rows_of(hashes), how=how)
    run, ids = hashed_run(folder / "new", rows_of(near_hashes(20, 8, bases=2), "n"))
    # the same set without the images that do not count
    rest = [one for one, counts in zip(rows_of(hashes), kept, strict=True) if counts]
    alone = other_set(folder, "against", "alone", rest)
    places = np.flatnonzero(kept) + 20
    files = [find_pairs_between(run, ids, [one], [COPIES])[one.key]["copies"] for one in (other, alone)]
    links, codes = [], []
    for file in files:
        found = [np.concatenate([np.empty(0), *some]) for some in zip(*file.links(31), strict=True)] or [
            np.empty(0)
        ] * 3
        links.append(found)
    left, right, distance = links[1]
    translated = sorted(zip(left, places[right.astype(int) - 20], distance, strict=True))
    assert translated == sorted(zip(*links[0], strict=True))
    for file, size in zip(files, (80, 20 + sum(kept)), strict=True):
        codes.append(file.codes(size))
    moved = np.concatenate([np.arange(20), places])
    assert (codes[0][moved] == moved[codes[1]]).all()
    assert [file.facts.images for file in files] == [files[1].facts.images] * 2
    assert [file.facts.distinct for file in files] == [files[1].facts.distinct] * 2


def in_few_cells(monkeypatch):
    """Let searches use cells for as few rows as there are here."""
    small = lambda **given: SearchSettings(**given, exact_rows=50, sample=80)  # noqa: E731 (a class with other defaults)
    monkeypatch.setattr(searches, "SearchSettings", small)


def test_cells_are_stored_and_used(tmp_path, monkeypatch):
    """A search in cells leaves them in the run; one against it makes none, and finds the same, byte for byte."""
    in_few_cells(monkeypatch)
    rows, table = embedded_rows(VECTORS)
    rows[7]["error"] = "truncated"
    del table[rows[7]["image_id"]]
    other = other_set(tmp_path, "against", "old", rows[:150], rows[150:], embeddings=table)
    find_pairs(other.run, other.partition_ids, [SIMILAR], worth_storing=0)
    assert (Path(other.run.index("similar")) / "centroids.npy").exists()
    new, fresh = embedded_rows(VECTORS[150:250] + 0.04 * unit_rows(100, 12, seed=9), "n")
    run, ids = hashed_run(tmp_path / "new", new, embeddings=fresh)
    with monkeypatch.context() as patch:
        patch.setattr("nemo_curator.kernels.pair_search.cells_of", None)
        found = find_pairs_between(run, ids, [other], [SIMILAR])["against-old"]["similar"]
    assert not found.facts.exact
    assert found.facts.pairs > 20
    inputs = inputs_of(SIMILAR.columns, records_of(other.run, other.partition_ids).digest)
    mapped = embedded(other.run, other.partition_ids, inputs, str(tmp_path))
    assert mapped.cells is not None
    for path in Path(other.run.index("similar")).iterdir():
        path.unlink()
    gathered = embedded(other.run, other.partition_ids, inputs, str(tmp_path))
    assert gathered.cells is None
    assert np.array_equal(gathered.rows.block(0, 999), mapped.rows.block(0, len(mapped.rows)))
    anew = find_pairs_between(run, ids, [other], [SIMILAR], folder=str(tmp_path / "anew"))["against-old"]["similar"]
    assert bytes_of(found) == bytes_of(anew)


def test_cells_of_a_search_are_those_of_the_rows(monkeypatch):
    """Cells that a search within makes are the ones that a search against the rows would make itself."""
    rows = ArrayRows([VECTORS.astype(np.float16)])
    some = SearchSettings(exact_rows=50, sample=80)
    stored, made = search_within(rows, 0.9, some).cells, cells_of(rows, some)
    for name in ("centroids", "order", "starts"):
        assert getattr(stored, name).tobytes() == getattr(made, name).tobytes()
    few = ArrayRows([VECTORS[:60].astype(np.float16)])
    one, other = (search_between(few, rows, 0.9, cells, some) for cells in (stored, None))
    assert one.recall == other.recall


def test_cells_that_do_not_fit(tmp_path, monkeypatch):
    """Stored cells in which a row stands twice are not believed."""
    in_few_cells(monkeypatch)
    rows, table = embedded_rows(VECTORS)
    run, ids = hashed_run(tmp_path, rows, embeddings=table)
    find_pairs(run, ids, [SIMILAR], worth_storing=0)
    inputs = inputs_of(SIMILAR.columns, records_of(run, ids).digest)
    assert embedded(run, ids, inputs, str(tmp_path)).cells is not None
    order = np.load(path := Path(run.index("similar")) / "order.npy")
    order[0] = order[1]
    np.save(path, order)
    assert embedded(run, ids, inputs, str(tmp_path)).cells is None


def test_nothing_is_written_elsewhere(tmp_path):
    """A search against a run leaves that run as it is, whether or not it has an index."""
    for name, other in (
        ("with", against(tmp_path / "with")),
        ("no", other_set(tmp_path, "against", "b", rows_of(MANY))),
    ):
        before = {path: path.stat().st_mtime_ns for path in Path(other.run.root).rglob("*")}
        run, ids = hashed_run(tmp_path / name / "new", rows_of(near_hashes(90, 6)))
        find_pairs_between(run, ids, [other], [COPIES])
        assert {path: path.stat().st_mtime_ns for path in Path(other.run.root).rglob("*")} == before
