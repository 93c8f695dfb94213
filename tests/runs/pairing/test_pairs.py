"""Pairs of near images: all that there are, found once, in a file that depends on nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.kernels.vectors import planted
from tests.runs.embedded import unit_rows
from tests.runs.paired import bits_between, hashed_run, image, near_hashes, shuffled

from nemo_curator.errors import InputError, RecipeError
from nemo_curator.kernels.cell_recall import Recall
from nemo_curator.kernels.pair_search import SearchSettings, search_within
from nemo_curator.runs.pairing.pair_file import SCHEMA, PairFacts, open_pairs
from nemo_curator.runs.pairing.searches import SEARCHES, Found, Search
from nemo_curator.runs.pairing.store import Wanted, current_pairs, find_pairs

COPIES = Wanted("copies", 31, {"pdq": "x"}, "recipe.yaml, line 3")
SIMILAR = Wanted("similar", 0.1, {"embedding": "fp"})
HASHES = near_hashes(60)
ROWS = [image(f"{at:03}", one) for at, one in enumerate(HASHES)]


def never(*_):
    """A search that must not happen."""
    raise AssertionError("this was searched for already")


NEVER = replace(SEARCHES, copies=never, turned=never, similar=never)


def pairs_of(file, radius=np.inf):
    """{(left, right): distance} of a file, images that are equal too."""
    found = {}
    for left, right, distance, _ in file.batches():
        ends = zip(left.tolist(), right.tolist(), strict=True)
        found |= dict(zip(ends, distance.tolist(), strict=True))
    return {ends: far for ends, far in found.items() if far <= radius}


def firsts(values):
    """Position of the first that is equal, of each."""
    return [values.index(one) for one in values]


def expected_copies(hashes, radius):
    """The same, each compared with each."""
    values = [bytes(one) for one in hashes]
    first = firsts(values)
    found = {(leader, at): 0.0 for at, leader in enumerate(first) if leader < at}
    leaders = sorted(set(first))
    for place, one in enumerate(leaders):
        for other in leaders[place + 1 :]:
            if (far := bits_between(values[one], values[other])) <= radius:
                found[one, other] = float(far)
    return found


@pytest.mark.parametrize("radius", [0, 7, 31, 45])
def test_copies_are_all_that_are_near(tmp_path, radius):
    """Every pair of different hashes within the radius is there once, and of equal ones each with the first."""
    run, ids = hashed_run(tmp_path, ROWS[:25], ROWS[25:])
    file = find_pairs(run, ids, [replace(COPIES, radius=radius)])["copies"]
    assert pairs_of(file) == expected_copies(HASHES, radius)
    assert (file.facts.images, file.facts.recall) == (60, None)
    assert file.facts.distinct == len({bytes(one) for one in HASHES})
    codes = file.codes(60).tolist()
    assert codes == firsts([bytes(one) for one in HASHES])


def test_what_is_there_is_not_searched_for_again(tmp_path):
    """A radius that is not larger takes the stored pairs; `links` gives those within it."""
    run, ids = hashed_run(tmp_path, ROWS)
    find_pairs(run, ids, [COPIES])
    file = find_pairs(run, ids, [replace(COPIES, radius=12)], searches=NEVER)["copies"]
    near = {ends: far for ends, far in expected_copies(HASHES, 12).items() if far}
    blocks = [np.stack(block, axis=1).tolist() for block in file.links(12)]
    found = {(one, other): far for block in blocks for one, other, far in block}
    assert found == near
    assert file.facts.radius == 31


def test_a_larger_radius_is_searched_for(tmp_path):
    """A larger radius replaces the file; of other images it is the one asked for that counts, not an earlier one."""
    run, ids = hashed_run(tmp_path, ROWS)
    find_pairs(run, ids, [replace(COPIES, radius=5)])
    file = find_pairs(run, ids, [COPIES])["copies"]
    assert (file.facts.radius, pairs_of(file)) == (31, expected_copies(HASHES, 31))
    run, ids = hashed_run(tmp_path, ROWS[:40])
    few = len(expected_copies(HASHES[:40], 5))  # so many, and no more, as a radius that was too large once would find
    file = find_pairs(run, ids, [replace(COPIES, radius=5)], most=few)["copies"]
    assert (file.facts.radius, pairs_of(file)) == (5, expected_copies(HASHES[:40], 5))


@pytest.mark.parametrize("change", ["bytes", "error", "fingerprint", "order"])
def test_other_inputs_are_searched_anew(tmp_path, change):
    """Other bytes, an image that became unreadable, a column computed in another way, another order of partitions."""
    run, ids = hashed_run(tmp_path, ROWS[:30], ROWS[30:])
    find_pairs(run, ids, [COPIES])
    find_pairs(run, ids, [COPIES], searches=NEVER)
    wanted = COPIES
    rows = [dict(one) for one in ROWS]
    if change == "fingerprint":
        wanted = replace(COPIES, columns={"pdq": "y"})
    elif change == "order":
        ids = ids[::-1]
    else:
        rows[3] |= {"sha256": "other"} if change == "bytes" else {"error": "decode_failed"}
        run, ids = hashed_run(tmp_path, rows[:30], rows[30:])
    with pytest.raises(AssertionError, match="already"):
        find_pairs(run, ids, [wanted], searches=NEVER)
    assert current_pairs(run, ids, {"copies": wanted.columns}) == {}
    find_pairs(run, ids, [wanted])
    assert set(current_pairs(run, ids, {"copies": wanted.columns, "similar": {}})) == {"copies"}


def digest(file):
    """Of a file's bytes."""
    return hashlib.sha256(Path(file.url).read_bytes()).hexdigest()


@pytest.mark.parametrize("seed", range(4))
def test_equal_bytes_whatever_the_order_of_pairs(tmp_path, seed):
    """The file is the same for any order of pairs, either end first, in any blocks."""
    vectors = unit_rows(12, 8)
    vectors = np.concatenate([vectors, vectors[:3], vectors + 0.05 * unit_rows(12, 8, 5)])
    embeddings = {f"{at:03}": one for at, one in enumerate(vectors)}
    turned = [one | {"pdq_turned": near_hashes(7, at).tobytes().hex()} for at, one in enumerate(ROWS[:27])]
    run, ids = hashed_run(tmp_path, turned[:10], turned[10:], embeddings=embeddings)
    wanted = [COPIES, replace(COPIES, kind="turned"), SIMILAR]
    plain = find_pairs(run, ids, wanted)
    mixed = find_pairs(run, ids, [replace(one, columns={"other": ""}) for one in wanted], searches=shuffled(seed))
    again = find_pairs(run, ids, wanted, searches=shuffled(seed + 10))
    assert [pairs_of(one) for one in mixed.values()] == [pairs_of(one) for one in plain.values()]
    assert [digest(one) for one in again.values()] == [digest(one) for one in find_pairs(run, ids, wanted).values()]
    assert all(pairs_of(one) for one in plain.values())


def test_hashes_that_say_nothing_are_left_out(tmp_path):
    """No structure (zeros), no hash, no such hash, or no readable image: no pair."""
    rows = [image(f"z{at}", bytes(32)) for at in range(3)]
    rows += [image("none"), image("short", b"\1" * 8), image("broken", HASHES[0], error="decode_failed")]
    rows += [image("x", HASHES[0]), {**image("y"), "pdq": "g" * 64}, image("upper", HASHES[0])]
    rows[-1]["pdq"] = rows[-1]["pdq"].upper()
    run, ids = hashed_run(tmp_path, rows)
    file = find_pairs(run, ids, [COPIES])["copies"]
    assert pairs_of(file) == {(6, 8): 0.0}
    assert (file.facts.images, file.facts.distinct, file.facts.pairs) == (2, 1, 0)


def test_turned_pictures(tmp_path):
    """A picture is near another if its hash, as it stands, is near that of any turn of the other; either may turn."""
    hashes = np.random.default_rng(3).integers(0, 256, (5, 8, 32), np.uint8)
    hashes[3, 6] = hashes[1, 0]  # a turn of the fourth is the second
    hashes[4, 0] = hashes[2, 5]
    hashes[4, 0, 0] ^= 7  # and the fifth is three bits from a turn of the third
    hashes[0, 2] = 0  # a turn without structure is near nothing
    rows = [image(f"{at}", one[0]) | {"pdq_turned": one[1:].tobytes().hex()} for at, one in enumerate(hashes)]
    rows.append(rows[1] | {"image_id": "again"})
    run, ids = hashed_run(tmp_path, rows)
    wanted = Wanted("turned", 31, {"pdq": "x", "pdq_turned": "x"})
    assert pairs_of(find_pairs(run, ids, [wanted])["turned"]) == {(1, 3): 0.0, (2, 4): 3.0, (1, 5): 0.0}


def test_similar_is_exact_to_the_last_bit(tmp_path):
    """Distances are those of plain double-precision arithmetic over the stored numbers; equal rows stand once."""
    vectors = unit_rows(40, 32)
    vectors = np.concatenate([vectors, vectors[:10] + 0.03 * unit_rows(10, 32, 1), vectors[5:8]])
    rows = [image(f"{at:03}") for at in range(len(vectors))]
    rows[11] |= {"error": "decode_failed"}
    vectors[13], vectors[14] = 0, np.nan
    embeddings = {one["image_id"]: vector for one, vector in zip(rows, vectors, strict=True)}
    run, ids = hashed_run(tmp_path, rows[:20], rows[20:21], rows[21:], embeddings=embeddings)
    file = find_pairs(run, ids, [SIMILAR])["similar"]
    half = vectors.astype(np.float16).astype(np.float64)
    expected = {}
    for one in range(len(rows)):
        for other in range(one + 1, len(rows)):
            if 11 in (one, other) or not np.isfinite(half[[one, other]]).all() or not half[[one, other]].any(1).all():
                continue
            lengths = [np.sqrt((half[at] * half[at]).sum()) for at in (one, other)]
            far = 1 - min(1.0, (half[one] * half[other]).sum() / (lengths[0] * lengths[1]))
            equal = (half[one] == half[other]).all()
            first = [next(at for at in range(len(rows)) if (half[at] == half[end]).all()) for end in (one, other)]
            if equal or (far <= 0.1 and first == [one, other]):
                expected[one, other] = 0.0 if equal else far
    assert pairs_of(file) == expected
    assert len(expected) > 10


def in_cells(rows, radius, tell):
    """Look-alikes as they are searched for in a large run."""
    del tell
    search = search_within(rows, 1 - radius - 2**-40, SearchSettings(exact_rows=100))
    blocks = (Found(one.left, one.right, 1 - one.cosines) for one in search.pairs(lambda *_: None))
    return Search(blocks, search.recall is None, search.recall)


def test_look_alikes_in_cells_do_not_depend_on_what_was_asked_before(tmp_path):
    """In a run too large to compare all, pairs within a radius are the same from a search up to a larger one."""
    vectors = np.concatenate([planted(1200, 300, 0.05, 32), planted(800, 300, 0.2, 32, 1)])
    rows = [image(f"{at:04}") for at in range(len(vectors))]
    embeddings = {one["image_id"]: vector for one, vector in zip(rows, vectors, strict=True)}
    searches = replace(SEARCHES, similar=in_cells)
    found = []
    for radii in ((0.05,), (0.2, 0.05)):
        run, ids = hashed_run(tmp_path / str(len(radii)), rows, embeddings=embeddings)
        for radius in radii:
            file = find_pairs(run, ids, [replace(SIMILAR, radius=radius)], searches=searches)["similar"]
        found.append(pairs_of(file, 0.05))
    assert found[0] == found[1]
    assert len(found[0]) >= 290
    assert file.facts.recall.probes > 2


def test_measured_recall_is_written_down(tmp_path):
    """A search that is not exact says what it finds, and on how many rows and pairs; the file keeps all of it."""
    run, ids = hashed_run(tmp_path, ROWS)
    for recall in (Recall(0.995, 0.99, 1000, 300, 8), Recall(None, 0.0, 1000, 0, 2)):
        rough = replace(
            SEARCHES, copies=lambda *given, recall=recall: Search(SEARCHES.copies(*given).blocks, False, recall)
        )
        wanted = replace(COPIES, columns={"pdq": str(recall.pairs)})
        assert find_pairs(run, ids, [wanted], searches=rough)["copies"].facts.recall == recall
        facts = find_pairs(run, ids, [wanted], searches=NEVER)["copies"].facts
        assert (facts.exact, facts.recall) == (False, recall)


def test_a_search_that_fails_leaves_nothing(tmp_path):
    """Whatever ends a search, the run has the file that it had."""
    run, ids = hashed_run(tmp_path, ROWS)

    def broken(*given):
        def blocks():
            yield next(SEARCHES.copies(*given).blocks)
            raise MemoryError

        return Search(blocks())

    with pytest.raises(MemoryError):
        find_pairs(run, ids, [COPIES], searches=replace(SEARCHES, copies=broken))
    assert not list(Path(run.root).rglob("pairs/*"))
    find_pairs(run, ids, [replace(COPIES, radius=9)])
    with pytest.raises(MemoryError):
        find_pairs(run, ids, [COPIES], searches=replace(SEARCHES, copies=broken))
    assert open_pairs(f"{run.root}/pairs/copies.parquet").facts.radius == 9


def test_too_many_pairs(tmp_path):
    """More pairs than the budget is one sentence that names the key and says what to do."""
    run, ids = hashed_run(tmp_path, ROWS)
    with pytest.raises(
        RecipeError, match=r"^recipe.yaml, line 3: more than 10 pairs .* within 31 .*; lower the radius"
    ):
        find_pairs(run, ids, [COPIES], most=10)


def test_a_pair_found_often_counts_once(tmp_path):
    """Pictures that look like their own turns are found up to sixteen times each, which is no reason to refuse them."""
    hashes = near_hashes(8, bits=10, bases=1)
    run, ids = hashed_run(
        tmp_path, [image(f"{at}", one, pdq_turned=bytes(one).hex() * 7) for at, one in enumerate(hashes)]
    )
    wanted = Wanted("turned", 31, {"pdq": "x"}, "recipe.yaml, line 3")
    number = sum(far > 0 for far in expected_copies(hashes, 31).values())
    assert find_pairs(run, ids, [wanted], most=number)["turned"].facts.pairs == number
    with pytest.raises(RecipeError, match=f"more than {number - 1} pairs"):
        find_pairs(run, ids, [replace(wanted, columns={"pdq": "y"})], most=number - 1)


def test_another_folder(tmp_path):
    """A dry run puts what it finds elsewhere, and uses what the run has."""
    run, ids = hashed_run(tmp_path, ROWS)
    file = find_pairs(run, ids, [COPIES], folder=str(tmp_path / "elsewhere"))["copies"]
    assert file.url == str(tmp_path / "elsewhere/copies.parquet")
    assert not list(Path(run.root).rglob("pairs/*"))
    find_pairs(run, ids, [COPIES])
    assert find_pairs(run, ids, [COPIES], folder="nowhere", searches=NEVER)["copies"].url.startswith(run.root)


def test_progress_is_told(tmp_path):
    """A search says what it looks for among how many, and how far it is; none is told of where nothing is searched."""
    run, ids = hashed_run(tmp_path, ROWS)
    told = []

    def began(kind, rows):
        told.append((kind, rows))
        return told.append

    find_pairs(run, ids, [COPIES], began=began)
    assert told[0] == ("copies", len({bytes(one) for one in HASHES}))
    assert sum(told[1:]) == told[0][1]
    find_pairs(run, ids, [COPIES], began=never)


@pytest.mark.parametrize("harm", ["cut", "overwritten", "foreign"])
def test_a_damaged_file(tmp_path, harm):
    """A file without its end is searched for anew; damage inside is told when it is read."""
    run, ids = hashed_run(tmp_path, ROWS)
    file = find_pairs(run, ids, [COPIES])["copies"]
    data = bytearray(Path(file.url).read_bytes())
    if harm == "overwritten":
        data[8:40] = bytes(32)
        Path(file.url).write_bytes(data)
        with pytest.raises(InputError, match="damaged or missing"):
            file.codes(60)
        return
    Path(file.url).write_bytes(data[:-9] if harm == "cut" else b"PAR1 and nothing else PAR1")
    assert open_pairs(file.url) is None
    assert pairs_of(find_pairs(run, ids, [COPIES])["copies"]) == expected_copies(HASHES, 31)


def test_positions_that_the_run_does_not_have(tmp_path):
    """Pairs of a larger run are not taken for this one's."""
    run, ids = hashed_run(tmp_path, ROWS)
    with pytest.raises(InputError, match="images that the run does not have"):
        find_pairs(run, ids, [COPIES])["copies"].codes(20)


@pytest.mark.parametrize("ends", [(99, 2), (-1, 2), (1, 99), (1, -2)])
def test_either_end_is_checked(tmp_path, ends):
    """A pair of which one end is no image of the run is a damaged file, whichever end it is."""
    place = str(tmp_path / "copies.parquet")
    columns = {"left": [0, ends[0]], "right": [1, ends[1]], "distance": [1.0, 1.0], "equal": [False, False]}
    table = pa.table(columns, schema=SCHEMA)
    pq.write_table(table.replace_schema_metadata(PairFacts("copies", 31, "x", 3, 3, 2).metadata), place)
    with pytest.raises(InputError, match="images that the run does not have"):
        open_pairs(place).codes(3)


def test_embeddings_of_other_images(tmp_path):
    """Embeddings that are not one a readable image are refused."""
    rows = [image("a"), image("b")]
    embeddings = {one["image_id"]: vector for one, vector in zip(rows, unit_rows(2), strict=True)}
    run, ids = hashed_run(tmp_path, rows, embeddings=embeddings)
    hashed_run(tmp_path, [*rows, image("c")])
    with pytest.raises(InputError, match="not of the images that its part has"):
        find_pairs(run, ids, [SIMILAR])


def test_nothing_to_compare(tmp_path):
    """A run without hashes or embeddings has a file without pairs."""
    run, ids = hashed_run(tmp_path, [image("a", error="decode_failed")], [])
    for wanted in (COPIES, replace(COPIES, kind="turned"), SIMILAR):
        file = find_pairs(run, ids, [wanted])[wanted.kind]
        assert (pairs_of(file), file.facts.images) == ({}, 0)
