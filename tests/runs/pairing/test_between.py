"""Near pairs of a run and of images elsewhere: all that there are, neither side searched within itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.runs.elsewhere import other_set
from tests.runs.embedded import unit_rows
from tests.runs.paired import bits_between, hashed_run, image, near_hashes

from nemo_curator.errors import InputError, RecipeError
from nemo_curator.kernels.pair_cosines import pair_cosines
from nemo_curator.kernels.rows import ArrayRows
from nemo_curator.runs.deciding import Policy, decide
from nemo_curator.runs.deciding.id_lists import read_id_list
from nemo_curator.runs.elsewhere import OtherSet
from nemo_curator.runs.pairing.between import find_pairs_between
from nemo_curator.runs.pairing.searches import SEARCHES
from nemo_curator.runs.pairing.store import Wanted

COPIES = Wanted("copies", 31, {"pdq": "x"}, "recipe.yaml, line 3")
MINE, THEIRS = np.split(near_hashes(65, 1), [40])


def never(*_):
    """A search that must not happen."""
    raise AssertionError("this was searched for already, or within one side")


NEVER = replace(SEARCHES, copies=never, turned=never, similar=never, copies_between=never)
WITHIN_NEVER = replace(NEVER, copies_between=SEARCHES.copies_between)


def rows_of(hashes, letter):
    """A row a hash."""
    return [image(f"{letter}{at:03}", one) for at, one in enumerate(hashes)]


def links_of(file, inputs, radius=np.inf):
    """{(position here, position there): distance} of every two images that a file makes near, equal ones expanded."""
    codes = file.codes(inputs)
    members = {code: np.flatnonzero(codes == code) for code in np.unique(codes).tolist()}
    found = {}
    for left, right, distance in file.links(radius):
        for one, other, far in zip(left.tolist(), right.tolist(), distance.tolist(), strict=True):
            found |= {(a, b): far for a in members[one].tolist() for b in members[other].tolist()}
    return found


def brute(mine, theirs, radius):
    """The same, each compared with each."""
    distances = {(a, b): float(bits_between(x, y)) for a, x in enumerate(mine) for b, y in enumerate(theirs)}
    return {(a, b + len(mine)): far for (a, b), far in distances.items() if far <= radius}


@pytest.mark.parametrize(("mine", "theirs"), [(MINE, THEIRS), (THEIRS, MINE), (MINE[:1], THEIRS), (MINE, THEIRS[:0])])
def test_copies_are_all_that_are_near(tmp_path, mine, theirs):
    """Whichever side is larger, every near pair is found, and nothing is searched within one side."""
    run, ids = hashed_run(tmp_path, rows_of(mine[:7], "a"), rows_of(mine[7:], "b"))
    other = other_set(tmp_path, "protect", "eval", rows_of(theirs, "c"))
    told = []
    found = find_pairs_between(
        run, ids, [other], [COPIES], searches=WITHIN_NEVER, began=lambda kind, rows: told.append((kind, rows)) or print
    )
    file = found["protect-eval"]["copies"]
    expected = brute(mine, theirs, 31)
    assert links_of(file, len(mine) + len(theirs)) == expected
    assert len(expected) > 3 or not len(theirs)
    distinct = [len({bytes(one) for one in side}) for side in (mine, theirs)]
    searched = [("copies", min(distinct))] if min(distinct) else []
    assert (told, file.facts.distinct, file.facts.exact) == (searched, sum(distinct), True)
    assert file.url.endswith("pairs/copies-protect-eval.parquet")


def test_what_is_there_is_not_searched_for_again(tmp_path):
    """The same or a smaller radius searches for nothing; other images on either side, or a larger radius, do."""
    run, ids = hashed_run(tmp_path, rows_of(MINE, "a"))
    other = other_set(tmp_path, "against", "july", rows_of(THEIRS, "c"))
    whole = find_pairs_between(run, ids, [other], [COPIES])["against-july"]["copies"]
    for radius in (31, 5):
        wanted = [replace(COPIES, radius=radius)]
        assert find_pairs_between(run, ids, [other], wanted, searches=NEVER)["against-july"]["copies"] == whole
    with pytest.raises(AssertionError):
        find_pairs_between(run, ids, [other], [replace(COPIES, radius=40)], searches=NEVER)
    (tmp_path / "deny.txt").write_text("c000\n")
    decide(other.run, other.partition_ids, Policy(duplicate_bytes=False, deny=read_id_list(str(tmp_path / "deny.txt"))))
    decided_again = OtherSet.of("july", "against", other.run, other.partition_ids)
    fewer = find_pairs_between(run, ids, [decided_again], [COPIES])["against-july"]["copies"]
    assert fewer.facts.inputs != whole.facts.inputs
    expected = {ends: far for ends, far in brute(MINE, THEIRS, 31).items() if ends[1] != len(MINE)}
    assert links_of(fewer, len(MINE) + len(THEIRS)) == expected


def test_turned_either_way(tmp_path):
    """A picture is near one elsewhere whether it is that one's turn or that one is its."""
    turns = [near_hashes(8, seed)[:8].reshape(-1, 32) for seed in range(6)]
    rows = [image(f"{at}", one[0], pdq_turned=one[1:].tobytes().hex()) for at, one in enumerate(turns)]
    there = [
        image("turn of 2", turns[2][5], pdq_turned=near_hashes(7, 50).tobytes().hex()),
        image("has a turn as 3", near_hashes(1, 51)[0], pdq_turned=np.vstack([near_hashes(6, 52), turns[3][:1]])
              .tobytes().hex()),
    ]  # fmt: skip
    wanted = Wanted("turned", 0, {"pdq_turned": "x"})
    for name, mine, theirs in (("one", rows, there), ("other", there, rows)):
        run, ids = hashed_run(tmp_path / name, mine)
        other = other_set(tmp_path / name, "protect", "eval", theirs)
        file = find_pairs_between(run, ids, [other], [wanted])["protect-eval"]["turned"]
        found = links_of(file, len(mine) + len(theirs))
        ends = {(a, b - len(mine)) if name == "one" else (b - len(mine), a) for a, b in found}
        assert ends == {(2, 0), (3, 1)}


@pytest.mark.parametrize("turned_around", [False, True])
def test_similar_is_exact_to_the_last_bit(tmp_path, turned_around):
    """Pairs of embeddings and their distances are those of the pairs themselves, whichever side is larger."""
    vectors = unit_rows(30, 8)
    vectors[15:25] = vectors[:10] + np.linspace(0.0, 0.3, 10)[:, None] * vectors[5:15]
    mine, theirs = (vectors[15:], vectors[:15]) if not turned_around else (vectors[:5], vectors[5:])
    names = [[f"{letter}{at:02}" for at in range(len(side))] for letter, side in (("a", mine), ("b", theirs))]
    tables = [dict(zip(ids, side, strict=True)) for ids, side in zip(names, (mine, theirs), strict=True)]
    run, ids = hashed_run(tmp_path, [image(name) for name in names[0]], embeddings=tables[0])
    other = other_set(tmp_path, "protect", "eval", [image(name) for name in names[1]], embeddings=tables[1])
    wanted = Wanted("similar", 0.3, {"embedding": "fp"})
    found = find_pairs_between(run, ids, [other], [wanted])["protect-eval"]["similar"]
    half = vectors.astype(np.float16)
    half = np.concatenate([half[15:], half[:15]]) if not turned_around else half
    a, b = np.meshgrid(np.arange(len(mine)), np.arange(len(mine), 30), indexing="ij")
    far = 1.0 - pair_cosines(ArrayRows([half]), a.ravel(), b.ravel())
    expected = {
        ends: one for ends, one in zip(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True), far, strict=True)
        if one <= 0.3
    }  # fmt: skip
    assert links_of(found, 30) == expected
    assert len(expected) > 3


def test_too_many_pairs(tmp_path):
    """A radius that takes everything for alike ends with the key to lower, and leaves nothing."""
    run, ids = hashed_run(tmp_path, rows_of(MINE, "a"))
    other = other_set(tmp_path, "protect", "eval", rows_of(THEIRS, "c"))
    with pytest.raises(RecipeError, match=r"^recipe.yaml, line 3: more than 5 pairs"):
        find_pairs_between(run, ids, [other], [COPIES], most=5)
    assert not (tmp_path / "run" / "pairs").exists()


def test_verdicts_that_do_not_fit(tmp_path):
    """An earlier run whose verdicts are damaged, or of other records, is named with the act."""
    other = other_set(tmp_path, "against", "july", rows_of(THEIRS, "c"))
    shorter = other_set(tmp_path, "against", "june", rows_of(THEIRS[:3], "c"))
    Path(other.run.decisions).write_bytes(Path(shorter.run.decisions).read_bytes())
    with pytest.raises(InputError, match=r"25 records and 3 verdicts.*decide that run again"):
        OtherSet.of("july", "against", other.run, other.partition_ids)
    Path(other.run.decisions).write_bytes(b"PAR1")
    with pytest.raises(InputError, match="decisions of this earlier run cannot be read"):
        OtherSet.of("july", "against", other.run, other.partition_ids)
