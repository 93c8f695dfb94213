"""What a run stores of a search, for those against it: used where it fits, never believed where it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.elsewhere import other_set
from tests.runs.embedded import unit_rows
from tests.runs.paired import hashed_run, image, near_hashes

from nemo_curator.errors import InputError
from nemo_curator.kernels.pair_search import SearchSettings, cells_of, search_between, search_within
from nemo_curator.kernels.rows import ArrayRows
from nemo_curator.runs.deciding import Policy
from nemo_curator.runs.deciding.id_lists import read_id_list
from nemo_curator.runs.pairing import searches
from nemo_curator.runs.pairing.between import find_pairs_between
from nemo_curator.runs.pairing.sides import embedded, hashed
from nemo_curator.runs.pairing.store import Wanted, find_pairs, inputs_of
from nemo_curator.runs.records import digest_of, records_of

COPIES = Wanted("copies", 31, {"pdq": "x"})
SIMILAR = Wanted("similar", 0.2, {"embedding": "x"})
VECTORS = unit_rows(400, 12, seed=3)
VECTORS[200:] = VECTORS[:200] + 0.05 * unit_rows(200, 12, seed=4)
MANY = near_hashes(1500, 5, bases=700)  # more different ones than are compared each with each
NEW = np.concatenate([near_hashes(50, 6), near_hashes(1500, 5, bases=700)[::37] ^ np.eye(41, 32, dtype=np.uint8)])


def rows_of(hashes, letter="a"):
    """A row a hash."""
    return [image(f"{letter}{at:03}", one) for at, one in enumerate(hashes)]


def embedded_rows(vectors, letter="a"):
    """Rows, and id to vector."""
    rows = [image(f"{letter}{at:03}") for at in range(len(vectors))]
    return rows, dict(zip((one["image_id"] for one in rows), vectors, strict=True))


def against(folder, how=None):
    """An earlier run of hashes in two parts, and what it is as a set of elsewhere, with its index."""
    other = other_set(folder, "against", "old", rows_of(MANY[:600]), rows_of(MANY[600:], "b"), how=how)
    find_pairs(other.run, other.partition_ids, [COPIES], worth_storing=0)
    return other


def bytes_of(file):
    """What was written."""
    return Path(file.url).read_bytes()


def test_an_index_is_stored_and_used(tmp_path, monkeypatch):
    """A search within a run leaves the order of its hashes there; one against it sorts nothing, and finds the same."""
    run, ids = hashed_run(tmp_path / "new", rows_of(NEW))
    other = against(tmp_path)
    assert {path.name for path in Path(other.run.index("copies")).iterdir()} == {
        "facts.json", "first.npy", "equal_to.npy", "others.npy", "hashes.npy", "order.npy", "near.npy", "offsets.npy",
    }  # fmt: skip
    with monkeypatch.context() as patch:
        # the hashes of the larger run are neither read from its parts, nor sorted
        patch.setattr("nemo_curator.kernels.hamming._sorted", None)
        found = find_pairs_between(run, ids, [other], [COPIES])
    inputs = inputs_of(COPIES.columns, records_of(other.run, other.partition_ids).digest)
    stored = hashed(other.run, other.partition_ids, inputs)
    assert len(stored.index) > 512
    assert isinstance(stored.index.hashes.base, np.memmap)
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


@pytest.mark.parametrize(
    "how", ["other columns", "other records", "torn", "led astray", "one number", "no header", "gone"]
)
def test_an_index_that_does_not_fit_is_made_anew(tmp_path, how):
    """One of other hashes, or a damaged one, changes nothing of what is found."""
    other = against(tmp_path)
    index = Path(other.run.index("copies"))
    wanted = replace(COPIES, columns={"pdq": "y"}) if how == "other columns" else COPIES
    if how == "other records":
        changed = rows_of(near_hashes(300, 9))
        other_set(tmp_path, "against", "old", changed, rows_of(MANY[600:], "b"))
    elif how == "torn":
        (index / "near.npy").write_bytes((index / "near.npy").read_bytes()[:-4])
    elif how == "led astray":
        order = np.load(index / "order.npy")
        np.save(index / "order.npy", np.full_like(order, 10_000))
    elif how == "one number":
        data = bytearray((index / "first.npy").read_bytes())
        data[-3] ^= 1
        (index / "first.npy").write_bytes(data)
    elif how == "no header":
        (index / "first.npy").write_bytes((index / "first.npy").read_bytes().replace(b"}", b" ", 1))
    elif how == "gone":
        (index / "first.npy").unlink()
    inputs = inputs_of(wanted.columns, records_of(other.run, other.partition_ids).digest)
    side = hashed(other.run, other.partition_ids, inputs)
    assert not isinstance(side.distinct.first, np.memmap)
    run, ids = hashed_run(tmp_path / "new", rows_of(NEW))
    found = find_pairs_between(run, ids, [other], [wanted])["against-old"]["copies"]
    for path in index.iterdir():
        path.unlink()
    anew = find_pairs_between(run, ids, [other], [wanted], folder=str(tmp_path / "anew"))["against-old"]["copies"]
    assert bytes_of(found) == bytes_of(anew)
    assert found.facts.pairs > 10 or how == "other records"


@settings(max_examples=20)
@given(kept=st.lists(st.booleans(), min_size=60, max_size=60))
def test_only_what_counts_is_found(tmp_path_factory, kept):
    """Whatever an earlier run kept: of equal images the first that it kept stands for all, and no other is named."""
    folder = tmp_path_factory.mktemp("counted")
    hashes = near_hashes(60, 7, bases=2)
    (folder / "deny.txt").write_text("".join(f"a{at:03}\n" for at, one in enumerate(kept) if not one))
    how = Policy(duplicate_bytes=False, deny=read_id_list(str(folder / "deny.txt")))
    other = other_set(folder, "against", "old", rows_of(hashes), how=how)
    run, ids = hashed_run(folder / "new", rows_of(hashes[:40:2], "n"))  # copies of some, equal and near
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
    assert len(translated) > 0 or not sum(kept)
    moved = np.concatenate([np.arange(20), places])
    assert (codes[0][moved] == moved[codes[1]]).all()
    assert [file.facts.images for file in files] == [files[1].facts.images] * 2
    assert [file.facts.distinct for file in files] == [files[1].facts.distinct] * 2


def inputs_now(run, ids):
    """The fingerprint of the embeddings of a run as they are."""
    return inputs_of(SIMILAR.columns, digest_of(run, ids, records_of(run, ids), SIMILAR.columns))


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
    inputs = inputs_now(other.run, other.partition_ids)
    mapped = embedded(other.run, other.partition_ids, inputs, str(tmp_path))
    assert mapped.cells is not None
    for path in Path(other.run.index("similar")).iterdir():
        path.unlink()
    gathered = embedded(other.run, other.partition_ids, inputs, str(tmp_path))
    assert gathered.cells is None
    assert np.array_equal(gathered.rows.block(0, 999), mapped.rows.block(0, len(mapped.rows)))
    anew = find_pairs_between(run, ids, [other], [SIMILAR], folder=str(tmp_path / "anew"))["against-old"]["similar"]
    assert bytes_of(found) == bytes_of(anew)


def test_heads_are_stored_and_used(tmp_path, monkeypatch):
    """Of longer embeddings the heads lie beside the cells; with, without and with others the same pairs are found."""
    in_few_cells(monkeypatch)
    vectors = unit_rows(400, 96, seed=3)
    vectors[200:] = vectors[:200] + 0.05 * unit_rows(200, 96, seed=4)
    rows, table = embedded_rows(vectors)
    other = other_set(tmp_path, "against", "old", rows[:150], rows[150:], embeddings=table)
    find_pairs(other.run, other.partition_ids, [SIMILAR], worth_storing=0)
    inputs = inputs_now(other.run, other.partition_ids)
    index = Path(other.run.index("similar"))
    heads = embedded(other.run, other.partition_ids, inputs, str(tmp_path)).cells.heads
    assert heads.firsts.shape == (400, 23)
    new, fresh = embedded_rows(vectors[150:250] + 0.01 * unit_rows(100, 96, seed=9), "n")
    run, ids = hashed_run(tmp_path / "new", new, embeddings=fresh)

    def found(name):
        """The pairs, searched for in a folder of their own."""
        file = find_pairs_between(run, ids, [other], [SIMILAR], folder=str(tmp_path / name))["against-old"]["similar"]
        return file.facts.pairs, bytes_of(file)

    with_heads = found("with")
    assert with_heads[0] > 20
    torn = (index / "firsts.npy").read_bytes()
    (index / "firsts.npy").write_bytes(torn[:-1] + bytes([torn[-1] ^ 1]))
    assert embedded(other.run, other.partition_ids, inputs, str(tmp_path)).cells is None
    assert found("torn") == with_heads
    (index / "firsts.npy").write_bytes(torn)
    facts = json.loads((index / "facts.json").read_text())
    del facts["arrays"]["firsts"]  # an index as it was before there were heads
    (index / "facts.json").write_text(json.dumps(facts))
    cells = embedded(other.run, other.partition_ids, inputs, str(tmp_path)).cells
    assert cells is not None
    assert cells.heads is None
    assert found("without") == with_heads


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
    inputs = inputs_now(run, ids)
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
        run, ids = hashed_run(tmp_path / name / "new", rows_of(NEW))
        assert find_pairs_between(run, ids, [other], [COPIES])[other.key]["copies"].facts.pairs > 10
        assert {path: path.stat().st_mtime_ns for path in Path(other.run.root).rglob("*")} == before


def embedded_set(folder, partitions=6):
    """An earlier run of embeddings with an index, in some partitions, whose last images are equal to its first."""
    vectors = np.concatenate([VECTORS, VECTORS[:60]])
    rows, table = embedded_rows(vectors)
    other = other_set(
        folder, "against", "old", *(list(one) for one in np.array_split(rows, partitions)), embeddings=table
    )
    find_pairs(other.run, other.partition_ids, [SIMILAR], worth_storing=0)
    assert (Path(other.run.index("similar")) / "facts.json").exists()
    return other


def test_embeddings_that_are_gone_are_told(tmp_path, monkeypatch):
    """With an index as without, an earlier run that lacks embeddings of a partition is refused by its name."""
    in_few_cells(monkeypatch)
    other = embedded_set(tmp_path)
    inputs = inputs_now(other.run, other.partition_ids)
    for url in (other.run.embeddings(other.partition_ids[2]), other.run.embedding_matrix(other.partition_ids[2])):
        Path(url).unlink()
    with pytest.raises(InputError, match=r"it is not of the images that its part has"):
        embedded(other.run, other.partition_ids, inputs, str(tmp_path))
    run, ids = hashed_run(tmp_path / "new", *[[image("n")]], embeddings={"n": VECTORS[3]})
    with pytest.raises(InputError, match=r"damaged or missing"):
        find_pairs_between(run, ids, [other], [SIMILAR])


def test_other_embeddings_of_the_same_images(tmp_path, monkeypatch):
    """An index is of these very embeddings: others under the same fingerprint are not taken for them."""
    in_few_cells(monkeypatch)
    other = embedded_set(tmp_path, partitions=1)
    before = inputs_now(other.run, other.partition_ids)
    vectors = np.concatenate([VECTORS, VECTORS[:60]])
    vectors[7, 0] = np.nextafter(np.float16(vectors[7, 0]), np.float16(2))
    rows, table = embedded_rows(vectors)
    other_set(tmp_path, "against", "old", rows, embeddings=table)
    assert inputs_now(other.run, other.partition_ids) != before
    assert embedded(other.run, other.partition_ids, before, str(tmp_path)).cells is not None
    assert (
        embedded(other.run, other.partition_ids, inputs_now(other.run, other.partition_ids), str(tmp_path)).cells
        is None
    )


def test_more_files_than_may_be_open(tmp_path, monkeypatch):
    """Embeddings in more files than a process may hold open are gathered in one, and the same is found."""
    in_few_cells(monkeypatch)
    other = embedded_set(tmp_path)
    run, ids = hashed_run(tmp_path / "new", [image("n")], embeddings={"n": VECTORS[3]})
    wanted = [replace(SIMILAR, radius=0.05)]
    mapped = find_pairs_between(run, ids, [other], wanted, folder=str(tmp_path / "a"))["against-old"]["similar"]
    monkeypatch.setattr("nemo_curator.runs.pairing.vectors._MAPPED", 2)
    gathered = find_pairs_between(run, ids, [other], wanted, folder=str(tmp_path / "b"))["against-old"]["similar"]
    assert bytes_of(mapped) == bytes_of(gathered)
    assert mapped.facts.pairs > 0


def test_no_room_for_an_index(tmp_path, monkeypatch):
    """Where an index cannot be stored, the pairs that were found are kept all the same."""
    run, ids = hashed_run(tmp_path, rows_of(MANY))
    Path(run.root, "index").write_text("a file where a folder should be")
    file = find_pairs(run, ids, [COPIES], worth_storing=0)["copies"]
    assert file.facts.pairs > 10
    assert Path(file.url).exists()
