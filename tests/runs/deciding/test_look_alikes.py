"""Duplicates by pixels, hashes and embeddings: which image stays, and what a record says of the others."""

from __future__ import annotations

import math
import tempfile
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.embedded import unit_rows
from tests.runs.paired import SCHEMA, bits_between, hashed_run, image, near_hashes
from tests.runs.tables import decisions, listed

from nemo_curator.errors import RecipeError
from nemo_curator.runs.deciding import (
    Alike,
    Copies,
    KnownBad,
    Policy,
    Sample,
    check_policy,
    decide,
    explain_row,
    near_kinds,
    parse_rule,
    preview,
)
from nemo_curator.runs.deciding.groups import Duplicate, Group, duplicate_groups
from nemo_curator.runs.pairing.store import Wanted, find_pairs
from nemo_curator.runs.parts import part_schema, read_part
from nemo_curator.shards.hash_lists import read_hash_list

COLUMNS = {"copies": "pdq", "turned": "pdq_turned", "similar": "embedding"}


def policy(*, rule=None, prefer="width * height", bytes_too=True, **settings):
    """A policy of one rule, that finds duplicates by what `Alike` is given."""
    given = {name: settings.pop(name) for name in ("pixels", "copies", "similar", "finer") if name in settings}
    rules = (parse_rule("bad", rule, SCHEMA.names),) if rule else ()
    return Policy(rules, bytes_too, parse_rule("prefer", prefer, SCHEMA.names), alike=Alike(**given), **settings)


def pairs_of(run, ids, how):
    """The pairs that a policy needs."""
    near = near_kinds(how.alike)
    return find_pairs(run, ids, [Wanted(one.pairs, one.radius, {COLUMNS[one.pairs]: "x"}) for one in near])


def decided(folder, how, *partitions, embeddings=None):
    """(id to row of the decisions, funnel) of a run of these rows."""
    run, ids = hashed_run(folder, *partitions, embeddings=embeddings)
    check_policy(how, SCHEMA)
    funnel = decide(run, ids, how, pairs=pairs_of(run, ids, how))
    return {one["image_id"]: one for one in decisions(run)}, funnel


def flipped(hash_, bits):
    """A hash with so many bits changed."""
    changed = np.unpackbits(np.frombuffer(bytes(hash_), np.uint8))
    changed[:bits] ^= 1
    return np.packbits(changed)


BASE = near_hashes(1)[0]


def told(row):
    """What a record says of a duplicate."""
    return tuple(row[name] for name in ("verdict", "rule", "reason", "score", "threshold", "duplicate_of"))


def test_each_kind_says_what_it_is(tmp_path):
    """Bytes, pixels, copies and look-alikes: rule, reason in words, distance and radius, and whom it duplicates."""
    rows = [
        image("best", BASE, pixels_sha256="ab" * 32, width=200),
        image("bytes", BASE, pixels_sha256="ab" * 32, sha256="hash of best"),
        image("pixels", BASE, pixels_sha256="AB" * 32),
        image("copy", flipped(BASE, 9)),
        image("alike", near_hashes(1, 7)[0]),
        image("other", near_hashes(1, 8)[0], pixels_sha256="not a hash"),
    ]
    vectors = unit_rows(6)
    vectors[4] = vectors[0] + 0.1 * vectors[5]
    embeddings = {one["image_id"]: vector for one, vector in zip(rows, vectors, strict=True)}
    how = policy(pixels=True, copies=Copies(31), similar=0.05)
    found, funnel = decided(tmp_path, how, rows[:3], rows[3:], embeddings=embeddings)
    assert told(found["best"]) == ("keep", None, None, None, None, None)
    assert found["other"]["verdict"] == "keep"
    assert told(found["bytes"]) == (
        "duplicate", "same_bytes", "its bytes equal those of best", None, None, "best",
    )  # fmt: skip
    assert told(found["pixels"]) == (
        "duplicate", "same_pixels", "its pixels equal those of best", None, None, "best",
    )  # fmt: skip
    assert told(found["copy"]) == (
        "duplicate", "copy", "its PDQ hash is 9 of 256 bits from that of best", 9.0, 31.0, "best",
    )  # fmt: skip
    half = vectors.astype(np.float16).astype(float)
    cosine = half[0] @ half[4] / math.sqrt((half[0] @ half[0]) * (half[4] @ half[4]))
    *words, score, threshold, best = told(found["alike"])
    assert words == ["duplicate", "similar", f"its embedding has a cosine of {cosine:.4f} to that of best"]
    assert (score, threshold, best) == (pytest.approx(1 - cosine, abs=1e-12), 0.05, "best")
    assert funnel.alike == {"same_bytes": 1, "same_pixels": 1, "copy": 1, "similar": 1}
    assert (funnel.kept, funnel.duplicates) == (2, 4)


def test_turned_copies_say_so(tmp_path):
    """A copy that was turned names the image that it is a turn of."""
    turns = near_hashes(7, 5).tobytes()
    rows = [
        image("a", BASE, pdq_turned=turns.hex(), width=200),
        image("b", np.frombuffer(turns[64:96], np.uint8), pdq_turned=turns.hex()),
    ]
    found, _ = decided(tmp_path, policy(copies=Copies(0, 0, turned=True)), rows)
    assert found["b"]["reason"] == "its PDQ hash, as it stands or turned, is 0 of 256 bits from that of a"


def test_a_chain_keeps_both_ends(tmp_path):
    """Of a chain of look-alikes the middle is removed where an end is best; both ends where the middle is."""
    chain = [image(name, flipped(BASE, bits)) for name, bits in (("a", 0), ("b", 10), ("c", 20))]
    found, _ = decided(tmp_path / "one", policy(copies=Copies(12)), chain)
    assert [found[name]["duplicate_of"] for name in "abc"] == [None, "a", None]
    chain[1]["width"] = 300
    found, _ = decided(tmp_path / "two", policy(copies=Copies(12)), chain)
    assert [found[name]["duplicate_of"] for name in "abc"] == ["b", None, "b"]


def test_the_better_of_equally_large_ones_stays(tmp_path):
    """More pixels, then higher PDQ quality, then more bytes, then the smaller id; else a preference, then the id."""
    rows = [
        image("a", BASE) | {"pdq_quality": 90, "bytes": 900},
        image("b", BASE) | {"pdq_quality": 95, "bytes": 10},
        image("c", BASE) | {"pdq_quality": 95, "bytes": 20},
        image("d", BASE) | {"pdq_quality": 95, "bytes": 20},
    ]
    found, _ = decided(tmp_path / "one", policy(copies=Copies()), rows)
    assert [found[name]["duplicate_of"] for name in "abcd"] == ["c", "c", None, "c"]
    found, _ = decided(tmp_path / "two", policy(copies=Copies(), prefer="-width", finer=False), rows)
    assert found["a"]["verdict"] == "keep"


def test_rejected_images_stand_for_nobody(tmp_path):
    """What a rule rejects is a duplicate of nothing, and nothing duplicates it."""
    rows = [image("a", BASE, width=900, a=0.0), image("b", flipped(BASE, 3), a=1.0), image("c", flipped(BASE, 5), a=1)]
    found, _ = decided(tmp_path, policy(rule="a < 1", copies=Copies()), rows)
    assert [found[name]["verdict"] for name in "abc"] == ["reject", "keep", "duplicate"]
    assert found["c"]["duplicate_of"] == "b"


def test_quality_below_the_least_has_no_copies(tmp_path):
    """An image whose hash is not reliable enough neither is a copy nor has one; NULL counts as 0."""
    rows = [
        image(name, BASE) | {"pdq_quality": quality} for name, quality in zip("abcd", (80, 50, 49, None), strict=True)
    ]
    found, _ = decided(tmp_path, policy(copies=Copies(31, 50)), rows)
    assert [found[name]["verdict"] for name in "abcd"] == ["keep", "duplicate", "keep", "keep"]


def test_allowed_images_are_not_displaced(tmp_path):
    """Allowed images stay beside each other and others name them; of equal bytes one of them stays."""
    rows = [image(name, flipped(BASE, bits)) for name, bits in (("a", 0), ("b", 2), ("c", 4), ("d", 4))]
    rows[3] |= {"sha256": "hash of c"}
    allow = listed(tmp_path, "b", "c", "d")
    found, funnel = decided(tmp_path, policy(copies=Copies(), allow=allow), rows)
    assert [(found[name]["verdict"], found[name]["duplicate_of"]) for name in "abcd"] == [
        ("duplicate", "b"), ("keep", None), ("keep", None), ("duplicate", "c"),
    ]  # fmt: skip
    assert funnel.allowed == 3


def test_a_copy_of_what_is_not_drawn(tmp_path):
    """A duplicate of an image outside the sample is outside too, and says which image that is."""
    rows = [image("a", BASE), image("b", flipped(BASE, 6)), image("c", near_hashes(1, 9)[0])]
    found, _ = decided(tmp_path, policy(copies=Copies(), sample=Sample(n=0)), rows)
    assert told(found["b"]) == (
        "reject", "sample",
        "its PDQ hash is 6 of 256 bits from that of a, which was not drawn for the sample of 0", None, None, None,
    )  # fmt: skip


def test_beside_a_list_of_known_images(tmp_path):
    """Figures of a duplicate and of a listed image do not mix."""
    (tmp_path / "bad.txt").write_text(f"pdq {flipped(BASE, 250).tobytes().hex()}\n")
    rows = [image("bad", flipped(BASE, 249)), image("a", BASE), image("b", flipped(BASE, 4))]
    bad = KnownBad((read_hash_list("seen", str(tmp_path / "bad.txt")),), 2)
    found, _ = decided(tmp_path, policy(copies=Copies(20), known_bad=bad), rows)
    assert [told(found[name])[3:] for name in ("bad", "a", "b")] == [
        (1.0, 2.0, None), (None, None, None), (4.0, 20.0, "a"),
    ]  # fmt: skip


def test_explaining_a_duplicate(tmp_path):
    """The kept image, and all that duplicate it, are named by the decisions."""
    rows = [image("a", BASE), image("b", flipped(BASE, 1)), image("c", flipped(BASE, 2))]
    how = policy(copies=Copies())
    run, ids = hashed_run(tmp_path, rows)
    decide(run, ids, how, pairs=pairs_of(run, ids, how))
    explained = explain_row(run, ids, how, "b")
    assert (explained.duplicate_of, explained.duplicates) == ("a", ("c",))


def test_a_preview_counts_what_needs_no_search(tmp_path):
    """On the way, equal bytes and pixels of one part are counted, and nothing is searched for."""
    rows = [image("a", BASE, pixels_sha256="00" * 32), image("b", BASE, pixels_sha256="00" * 32), image("c", BASE)]
    run, ids = hashed_run(tmp_path, rows)
    how = policy(pixels=True, copies=Copies(), similar=0.1)
    assert preview(read_part(run, ids[0]), how).verdicts == {"keep": 2, "duplicate": 1}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pixels": True}, "duplicates.pixels: .*'pixels_sha256'.* add `pixels`"),
        ({"copies": Copies()}, "duplicates.copies: .*'pdq'.* add `hashes`"),
        ({"copies": Copies(turned=True)}, "duplicates.copies"),
    ],
)
def test_columns_that_are_not_there(given, message):
    """What duplicates are found by must be there; the score that gives it is named."""
    with pytest.raises(RecipeError, match=message):
        check_policy(policy(**given), part_schema(()))


@pytest.mark.parametrize(
    "wrong", [lambda: Copies(64), lambda: Copies(-1), lambda: Copies(3, 101), lambda: Alike(similar=1.5)]
)
def test_numbers_out_of_range(wrong):
    """A radius or quality that means nothing is refused."""
    with pytest.raises(RecipeError):
        wrong()


def test_groups(tmp_path):
    """Groups are listed by size, then by where they begin; members in source order, as many as are asked for."""
    near, far = near_hashes(1, 1)[0], near_hashes(1, 2)[0]
    rows = [
        *(image(f"a{at}", flipped(BASE, at)) for at in range(2)),
        *(image(f"b{at}", flipped(near, at)) for at in range(3)),
        *(image(f"c{at}", flipped(far, 0), sha256="c") for at in range(2)),
        image("alone", near_hashes(1, 3)[0]),
    ]
    how = policy(copies=Copies())
    run, ids = hashed_run(tmp_path, rows[:3], rows[3:])
    decide(run, ids, how, pairs=pairs_of(run, ids, how))
    found = duplicate_groups(run, 9, 9)
    assert (found.groups, found.duplicates) == (3, 4)
    assert found.largest == (
        Group("b0", 2, (Duplicate("b1", "copy", 1.0), Duplicate("b2", "copy", 2.0))),
        Group("a0", 1, (Duplicate("a1", "copy", 1.0),)),
        Group("c0", 1, (Duplicate("c1", "same_bytes", None),)),
    )
    assert duplicate_groups(run, 1, 1).largest == (Group("b0", 2, (Duplicate("b1", "copy", 1.0),)),)


def reference(rows, how, allowed):
    """Id to (rule, image that it duplicates), each compared with each; those that are kept are absent."""

    def worth(one):
        return (one["image_id"] not in allowed, -one["width"] * 100, one["image_id"].encode())

    def links(one, other):
        if how.duplicate_bytes and one["sha256"] == other["sha256"]:
            yield 0, 0
        if how.alike.pixels and one["pixels_sha256"] and one["pixels_sha256"] == other["pixels_sha256"]:
            yield 1, 0
        far = bits_between(bytes.fromhex(one["pdq"]), bytes.fromhex(other["pdq"]))
        if how.alike.copies and far <= how.alike.copies.distance:
            yield 2, far

    kept, open_ = [], sorted((one for one in rows if not one["error"]), key=worth)
    for one in [*(one for one in open_ if one["image_id"] in allowed), *open_]:
        twin = any(one["sha256"] == other["sha256"] for other in kept) and how.duplicate_bytes
        fixed = one["image_id"] in allowed and not twin
        if one not in kept and (fixed or not any(list(links(one, other)) for other in kept)):
            kept.append(one)
    kept.sort(key=worth)
    found = {}
    for one in open_:
        if one not in kept:
            near = [(*how_, kept.index(other)) for other in kept for how_ in links(one, other)]
            kind, _, place = min(near)
            found[one["image_id"]] = (["same_bytes", "same_pixels", "copy"][kind], kept[place]["image_id"])
    return found


@st.composite
def runs(draw):
    """Rows in any order, few different hashes, so that much is alike."""
    count = draw(st.integers(1, 12))
    names = draw(st.permutations([f"{at:02}" for at in range(count)]))
    return [
        image(
            name,
            flipped(BASE, draw(st.sampled_from([0, 0, 4, 8, 12, 200, 206]))),
            sha256=draw(st.sampled_from("pqrstuvw")),
            pixels_sha256=draw(st.sampled_from([None, "00" * 32, "11" * 32, "22" * 32])),
            width=draw(st.integers(1, 3)),
            error=draw(st.sampled_from([None, None, None, "decode_failed"])),
        )
        for name in names
    ]


@settings(max_examples=20)
@given(
    data=st.data(), rows=runs(), places=st.lists(st.integers(0, 12), max_size=2), radius=st.sampled_from([0, 4, 6, 31])
)
def test_as_each_compared_with_each(data, rows, places, radius):
    """Verdicts are those of a plain reference, for any order of input and any partitions; what is named is kept."""
    names = [one["image_id"] for one in rows]
    allowed = data.draw(st.sets(st.sampled_from(names), max_size=3))
    bounds = [0, *sorted(place % (len(rows) + 1) for place in places), len(rows)]
    with tempfile.TemporaryDirectory() as folder:
        how = policy(
            bytes_too=data.draw(st.booleans()),
            pixels=data.draw(st.booleans()),
            copies=Copies(radius),
            allow=listed(folder, *allowed),
        )
        found, _ = decided(folder, how, *(rows[start:stop] for start, stop in pairwise(bounds)))
    duplicates = {name: (one["rule"], one["duplicate_of"]) for name, one in found.items() if one["duplicate_of"]}
    assert duplicates == reference(rows, how, allowed)
    assert all(found[best]["verdict"] == "keep" for _, best in duplicates.values())


def test_equal_bytes_for_any_number_of_threads(tmp_path):
    """Decisions are the same bytes whatever the threads."""
    rows = [image(f"{at:03}", one) for at, one in enumerate(near_hashes(80, 4))]
    how = policy(copies=Copies())
    run, ids = hashed_run(tmp_path, rows[:50], rows[50:])
    written = set()
    for threads in (1, 2, 4):
        decide(run, ids, how, pairs=pairs_of(run, ids, how), threads=threads)
        with pa.OSFile(run.decisions) as file:
            written.add(file.read())
    assert len(written) == 1
