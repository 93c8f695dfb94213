"""Images of elsewhere in a decision: leaks from protect sets, and duplicates of what earlier runs kept."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.elsewhere import decided_beside, other_set
from tests.runs.embedded import unit_rows
from tests.runs.paired import SCHEMA, hashed_run, image, near_hashes, shuffled
from tests.runs.tables import decisions, listed

from nemo_curator.errors import InputError, RecipeError
from nemo_curator.runs.deciding import Alike, Copies, KnownBad, Policy, Sample, explain_row, parse_rule
from nemo_curator.runs.deciding.leaks import Leak, Shown, read_leaks
from nemo_curator.shards.hash_lists import read_hash_list

BASE = near_hashes(1)[0]


def flipped(hash_, bits):
    """A hash with so many bits changed."""
    changed = np.unpackbits(np.frombuffer(bytes(hash_), np.uint8))
    changed[:bits] ^= 1
    return np.packbits(changed)


def told(row):
    """What a record says."""
    return tuple(row[name] for name in ("verdict", "rule", "reason", "score", "threshold", "duplicate_of"))


def other_hash(seed):
    """A hash that is near no other."""
    return near_hashes(1, seed)[0]


ALL = Alike(pixels=True, copies=Copies(31), similar=0.05)


@pytest.fixture
def mine(tmp_path):
    """A run whose images each are, in another way, like one of elsewhere; and one that is like none."""
    rows = [
        image("bytes", other_hash(1), sha256="hash of there"),
        image("pixels", other_hash(2), pixels_sha256="AB" * 32),
        image("copy", flipped(BASE, 9)),
        image("alike", other_hash(3)),
        image("free", other_hash(4)),
        image("broken", BASE, sha256="hash of there", error="decode_failed"),
    ]
    vectors = unit_rows(7)
    vectors[3] = vectors[6] + 0.1 * vectors[5]
    names = [one["image_id"] for one in rows[:5]]
    run, ids = hashed_run(tmp_path, rows[:2], rows[2:], embeddings=dict(zip(names, vectors, strict=False)))
    there = [image("there", BASE, pixels_sha256="ab" * 32), image("gone", BASE, error="decode_failed")]
    return run, ids, [there], {"there": vectors[6]}


def test_each_kind_of_leak_says_what_it_is(mine, tmp_path):
    """Bytes, pixels, copies and look-alikes of a protected image are rejected, with its name, distance and radius."""
    run, ids, rows, embeddings = mine
    other = other_set(tmp_path, "protect", "eval", *rows, embeddings=embeddings)
    found, funnel = decided_beside(run, ids, Policy(alike=ALL), [other])
    assert told(found["bytes"]) == (
        "reject", "protect", "a protected image: its bytes equal those of eval:there", None, None, "eval:there",
    )  # fmt: skip
    assert told(found["pixels"])[2:] == (
        "a protected image: its pixels equal those of eval:there", None, None, "eval:there",
    )  # fmt: skip
    assert told(found["copy"])[2:] == (
        "a protected image: its PDQ hash is 9 of 256 bits from that of eval:there", 9.0, 31.0, "eval:there",
    )  # fmt: skip
    *_, reason, score, threshold, whom = told(found["alike"])
    assert reason.startswith("a protected image: its embedding has a cosine of 0.99")
    assert (0 < score < threshold, threshold, whom) == (True, 0.05, "eval:there")
    assert told(found["free"])[:2] == ("keep", None)
    assert found["broken"]["verdict"] == "quarantine"
    assert (funnel.rejected, funnel.alone) == ({"protect": 4}, {"protect": 4})
    assert (funnel.leaks, funnel.shown, funnel.duplicates) == ({"eval": 4}, {"eval": 1}, 0)
    assert explain_row(run, ids, Policy(), "copy").duplicate_of == "eval:there"


def test_each_kind_of_earlier_image_says_what_it_is(mine, tmp_path):
    """What an earlier run kept makes duplicates by every kind in force; what it did not keep makes none."""
    run, ids, rows, embeddings = mine
    other = other_set(tmp_path, "against", "july", *rows, embeddings=embeddings)
    found, funnel = decided_beside(run, ids, Policy(alike=ALL), [other])
    assert told(found["bytes"]) == (
        "duplicate", "same_bytes", "its bytes equal those of july:there, which an earlier run kept",
        None, None, "july:there",
    )  # fmt: skip
    assert told(found["copy"])[3:] == (9.0, 31.0, "july:there")
    assert funnel.alike == {"same_bytes": 1, "same_pixels": 1, "copy": 1, "similar": 1}
    assert (funnel.earlier, funnel.duplicates, funnel.kept) == ({"july": 4}, 4, 1)
    nothing = other_set(
        tmp_path, "against", "june", *rows, embeddings=embeddings, how=Policy(deny=listed(tmp_path, "there"))
    )
    assert decided_beside(run, ids, Policy(alike=ALL), [nothing])[1].kept == 5


def test_only_the_kinds_in_force_count(mine, tmp_path):
    """Without a kind of duplicates equal bytes still protect; an earlier run then has no say, and is refused."""
    run, ids, rows, embeddings = mine
    other = other_set(tmp_path, "protect", "eval", *rows, embeddings=embeddings)
    found, funnel = decided_beside(run, ids, Policy(duplicate_bytes=False), [other])
    assert (funnel.leaks, found["bytes"]["rule"], found["copy"]["verdict"]) == ({"eval": 1}, "protect", "keep")
    with pytest.raises(RecipeError, match="against: nothing makes an image a duplicate"):
        Policy(duplicate_bytes=False, against=("july",))


def test_a_leak_is_called_a_leak(mine, tmp_path):
    """It comes before the rules, `deny` and `allow`; only what is known comes before it. It stands for no other."""
    run, ids, rows, embeddings = mine
    other = other_set(tmp_path, "protect", "eval", *rows, embeddings=embeddings)
    rule = parse_rule("all", "image_id <> 'free'", SCHEMA.names)
    allow, deny = listed(tmp_path, "bytes", "free"), listed(tmp_path, "copy", name="deny.txt")
    bad = tmp_path / "bad.pdq"
    bad.write_text(f"{bytes(other_hash(2)).hex()}\n")
    how = Policy((rule,), alike=ALL, allow=allow, deny=deny, known_bad=KnownBad((read_hash_list("bad", str(bad)),)))
    found, funnel = decided_beside(run, ids, how, [other])
    rules = {name: one["rule"] for name, one in found.items()}
    assert rules == {
        "bytes": "protect", "pixels": "bad", "copy": "protect", "alike": "protect", "free": "allow", "broken": None,
    }  # fmt: skip
    assert list(funnel.rejected.items()) == [("bad", 1), ("protect", 3), ("deny", 0), ("all", 0)]
    assert (funnel.alone["protect"], funnel.leaks) == (4, {"eval": 4})


def test_an_allowed_image_stays_beside_what_is_like_it(mine, tmp_path):
    """An allowed image is no copy of an earlier one, but a duplicate of its very bytes."""
    run, ids, rows, embeddings = mine
    other = other_set(tmp_path, "against", "july", *rows, embeddings=embeddings)
    how = Policy(alike=ALL, allow=listed(tmp_path, "bytes", "copy"))
    found, _ = decided_beside(run, ids, how, [other])
    assert (found["bytes"]["verdict"], found["copy"]["verdict"]) == ("duplicate", "keep")


def test_rules_come_before_earlier_runs(mine, tmp_path):
    """What a rule rejects is rejected, whoever kept it before."""
    run, ids, rows, embeddings = mine
    other = other_set(tmp_path, "against", "july", *rows, embeddings=embeddings)
    how = Policy((parse_rule("no", "image_id = 'copy'", SCHEMA.names),), alike=ALL)
    found, funnel = decided_beside(run, ids, how, [other])
    assert (found["copy"]["rule"], funnel.earlier) == ("no", {"july": 3})


def test_hashes_of_low_quality_on_either_side(tmp_path):
    """An image whose hash is not good enough leaks by no hash, and one elsewhere shows up by none."""
    rows = [image("good", BASE), image("poor", BASE) | {"pdq_quality": 10}]
    run, ids = hashed_run(tmp_path, rows)
    there = [image("x", BASE) | {"pdq_quality": 10}, image("y", BASE)]
    how = Policy(alike=Alike(copies=Copies(31, 50)))
    found, funnel = decided_beside(run, ids, how, [other_set(tmp_path, "protect", "eval", there)])
    assert (found["good"]["duplicate_of"], found["poor"]["verdict"]) == ("eval:y", "keep")
    assert funnel.shown == {"eval": 1}
    _, funnel = decided_beside(run, ids, how, [other_set(tmp_path, "against", "july", there[:1])])
    assert funnel.earlier == {"july": 0}


def test_without_comparing_the_run_with_itself(tmp_path):
    """With `within` off, images that duplicate each other stay, and those of elsewhere count as ever."""
    rows = [image("a", BASE), image("b", BASE), image("c", BASE, sha256="hash of a"), image("d", other_hash(5))]
    run, ids = hashed_run(tmp_path, rows)
    other = other_set(tmp_path, "protect", "eval", [image("x", other_hash(5))])
    for alike in (Alike(copies=Copies(31)), None):
        found, funnel = decided_beside(run, ids, Policy(alike=alike, within=False), [other])
        assert [name for name, one in found.items() if one["verdict"] == "keep"][:3] == ["a", "b", "c"]
        assert funnel.leaks == {"eval": 1 if alike else 0}


def test_leaks_both_ways(tmp_path):
    """Every image with each protected one that it shows is written down, and listed from either end."""
    rows = [image("a", BASE), image("b", flipped(BASE, 3)), image("c", other_hash(6), sha256="hash of z")]
    run, ids = hashed_run(tmp_path, rows)
    how = Policy(alike=Alike(copies=Copies(31)))
    sets = [
        other_set(tmp_path, "protect", "one", [image("x", BASE), image("y", flipped(BASE, 1))]),
        other_set(tmp_path, "protect", "two", [image("z", other_hash(7))]),
    ]
    _, funnel = decided_beside(run, ids, how, sets)
    assert (funnel.leaks, funnel.shown) == ({"one": 2, "two": 1}, {"one": 2, "two": 1})
    by_protected = read_leaks(run, "protected", 2, 1)
    assert (by_protected.images, by_protected.protected) == (3, 3)
    assert by_protected.listed == (
        Leak("one:x", 2, (Shown("a", "copy", 0.0),)),
        Leak("one:y", 2, (Shown("a", "copy", 1.0),)),
    )
    by_image = read_leaks(run, "image", 9, 9)
    assert by_image.listed[1] == Leak("b", 2, (Shown("one:y", "copy", 2.0), Shown("one:x", "copy", 3.0)))
    assert by_image.listed[2] == Leak("c", 1, (Shown("two:z", "same_bytes", None),))
    decided_beside(run, ids, how, [])
    with pytest.raises(InputError, match="no protect set was looked at"):
        read_leaks(run, "image", 9, 9)
    Path(run.leaks).write_bytes(b"PAR1")
    with pytest.raises(InputError, match="these leaks cannot be read"):
        read_leaks(run, "image", 9, 9)


def test_a_sample_leaves_duplicates_of_earlier_images_alone(tmp_path):
    """An image that an earlier run's stands for is a duplicate, whatever is drawn of the others."""
    run, ids = hashed_run(tmp_path, [image(f"{at}", other_hash(20 + at)) for at in range(6)])
    other = other_set(tmp_path, "against", "july", [image("3")])
    found, funnel = decided_beside(run, ids, Policy(sample=Sample(n=2)), [other])
    assert (funnel.kept, funnel.duplicates, funnel.rejected) == (2, 1, {"sample": 3})
    assert told(found["3"])[:2] == ("duplicate", "same_bytes")


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 99),
    sizes=st.tuples(st.integers(1, 12), st.integers(0, 8)),
    radius=st.sampled_from([0, 6, 31]),
    with_bytes=st.booleans(),
)
def test_as_one_run_over_all(seed, sizes, radius, with_bytes):
    """An image is kept if it were in one run over both in which the earlier images come first and stay."""
    hashes = near_hashes(sum(sizes), seed)
    names = [f"{at:02}" for at in range(sum(sizes))]
    rows = [image(name, one, sha256=f"{at % 7}") for at, (name, one) in enumerate(zip(names, hashes, strict=True))]
    how = Policy(duplicate_bytes=with_bytes, alike=Alike(copies=Copies(radius), finer=False))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        earlier, new = rows[: sizes[1]], rows[sizes[1] :]
        first = other_set(folder, "against", "july", earlier, how=None)
        kept_before = [one["image_id"] for one in decisions(first.run) if one["verdict"] == "keep"]
        run, ids = hashed_run(folder, new)
        found, funnel = decided_beside(run, ids, how, [first])
        funnel.check()
        expected = _reference(new, earlier, hashes, radius, with_bytes=with_bytes)
        assert [name for name, one in found.items() if one["verdict"] == "keep"] == expected
        for one in found.values():
            if one["verdict"] == "duplicate":
                whom = one["duplicate_of"]
                known = [f"july:{name}" for name in kept_before]
                assert whom in known or found[whom]["verdict"] == "keep"


def _reference(new, earlier, hashes, radius, *, with_bytes):
    """Ids that stay: greedily by id, every one compared with all that stay, the earlier ones first."""
    bits = {one["image_id"]: np.unpackbits(np.frombuffer(bytes.fromhex(one["pdq"]), np.uint8)) for one in earlier + new}
    empty = {name for name, one in bits.items() if not one.any()}
    stay = [(one["image_id"], one["sha256"]) for one in earlier]
    kept = []
    for one in sorted(new, key=lambda row: row["image_id"]):
        name, sha = one["image_id"], one["sha256"]
        if not any(
            (with_bytes and sha == other_sha)
            or (not {name, other} & empty and int((bits[name] ^ bits[other]).sum()) <= radius)
            for other, other_sha in stay
        ):
            stay.append((name, sha))
            kept.append(name)
    return kept


def test_names_are_reserved():
    """No rule may be called as leaks are."""
    with pytest.raises(RecipeError, match="protect"):
        parse_rule("protect", "a < 1", ["a"])


def test_the_bytes_of_a_decision_depend_on_nothing_else(tmp_path):
    """Verdicts and leaks are equal bytes, in whatever order pairs are found."""
    rows = [image(f"{at:03}", one) for at, one in enumerate(near_hashes(80, 3))]
    run, ids = hashed_run(tmp_path, rows[:31], rows[31:60])
    there = rows[60:]
    others = [other_set(tmp_path, "protect", "eval", there), other_set(tmp_path, "against", "july", there[:4])]
    how = Policy(alike=Alike(copies=Copies(20)))
    found = []
    for seed in range(2):
        funnel = decided_beside(run, ids, how, others, shuffled(seed))[1]
        assert min(funnel.leaks["eval"], funnel.earlier["july"] + funnel.kept) > 0
        found.append((Path(run.decisions).read_bytes(), Path(run.leaks).read_bytes()))
    assert found[0] == found[1]
