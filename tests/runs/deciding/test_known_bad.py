"""Lists of known images when deciding: which image each has, what comes before what, what is said."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from tests.runs.tables import COLUMNS, decided, decisions, listed, made_run, policy, row

from nemo_curator.errors import RecipeError
from nemo_curator.runs.deciding import KnownBad, Policy, Sample, check_policy, decide, explain_row, preview
from nemo_curator.runs.parts import part_schema, write_part
from nemo_curator.shards.hash_lists import read_hash_list
from nemo_curator.stages.image.filters.hash_filter import ImageHashFilterStage

SCHEMA = part_schema([*COLUMNS, *ImageHashFilterStage().score_columns()])
BASE = hashlib.sha256(b"a picture").hexdigest()  # as good a PDQ hash as any


def sha(name: str) -> str:
    """The SHA-256 that a row of that name is given."""
    return hashlib.sha256(name.encode()).hexdigest()


def md5(name: str) -> str:
    """The MD5 that a row of that name is given."""
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()


def away(bits: int, of: str = BASE) -> str:
    """A hash that differs in so many bits."""
    return f"{int(of, 16) ^ ((1 << bits) - 1):064x}"


def hashed(name: str, pdq: str | None = None, quality: int | None = 90, **values) -> dict:
    """A row with hashes; by default its PDQ hash is far from all others."""
    near = pdq if pdq is not None else hashlib.sha256(f"pdq {name}".encode()).hexdigest()
    return row(name, **{"sha256": sha(name), "md5": md5(name), "pdq": near, "pdq_quality": quality, **values})


def known(folder, distance: int = 31, min_quality: int = 0, **lists: str) -> KnownBad:
    """Lists by name, each given as the text of its file."""
    for name, content in lists.items():
        (folder / f"{name}.txt").write_text(content)
    read = (read_hash_list(name, str(folder / f"{name}.txt"), f"recipe, {name}") for name in lists)
    return KnownBad(tuple(read), distance, min_quality)


def ended(folder, how: Policy, *rows: dict, schema=SCHEMA):
    """(decision rows, funnel) of some rows."""
    run, ids = made_run(folder, rows, schema=schema)
    funnel = decide(run, ids, how)
    return decisions(run), funnel


def test_each_kind_of_hash(tmp_path):
    """Equal SHA-256 and MD5, and near PDQ hashes, are rejected under the list's name; the reason says what matched."""
    bad = known(tmp_path, sums=f"# sha256\n{sha('x')}", other=md5("y"), pictures=f"# pdq\n{BASE}\n{away(200)}")
    rows, funnel = ended(
        tmp_path,
        policy(known_bad=bad),
        hashed("x"), hashed("y"), hashed("z", away(12)), hashed("low", away(31), quality=12), hashed("far", away(32)),
        hashed("other"),
    )  # fmt: skip
    assert [(one["verdict"], one["rule"], one["reason"], one["score"], one["threshold"]) for one in rows] == [
        ("reject", "sums", "its SHA-256 is in sums.txt", None, None),
        ("reject", "other", f"its MD5 {md5('y')} is in other.txt", None, None),
        ("reject", "pictures", f"its PDQ hash (quality 90) is 12 bits from {BASE} in pictures.txt", 12.0, 31.0),
        ("reject", "pictures",
         f"its PDQ hash (quality 12: not reliable) is 31 bits from {BASE} in pictures.txt", 31.0, 31.0),
        ("keep", None, None, None, None),
        ("keep", None, None, None, None),
    ]  # fmt: skip
    assert funnel.rejected == {"sums": 1, "other": 1, "pictures": 2}
    assert funnel.alone == {"sums": 1, "other": 1, "pictures": 2}
    assert funnel.undecided == {}


def test_what_comes_before_what(tmp_path):
    """Quarantine, then known images, then `deny`, then rules; `allow` saves nothing that is known."""
    names = ["known", "allowed", "denied", "small", "broken", "fine"]
    rows, funnel = ended(
        tmp_path,
        policy(
            "a < 5",
            known_bad=known(tmp_path, bad="\n".join(map(md5, ["known", "allowed", "denied", "broken"]))),
            allow=listed(tmp_path, "allowed", "fine"),
            deny=listed(tmp_path, "denied", "small"),
        ),
        *(hashed(name, a=1.0, error="e" if name == "broken" else None) for name in names),
    )
    assert [(one["verdict"], one["rule"]) for one in rows] == [
        ("reject", "bad"), ("reject", "bad"), ("reject", "bad"), ("reject", "deny"), ("quarantine", None),
        ("keep", "allow"),
    ]  # fmt: skip
    assert all(one["score"] is None for one in rows)
    assert list(funnel.rejected.items()) == [("bad", 3), ("deny", 1), ("r0", 0)]
    assert (funnel.allowed, funnel.alone) == (1, {"bad": 3, "r0": 4})


def test_a_known_image_stands_for_no_other(tmp_path):
    """It is no duplicates' kept image, and takes no place in a sample."""
    bad = known(tmp_path, bad=md5("x"))
    rows = (hashed("x", sha256="s", width=999), hashed("y", sha256="s"), hashed("z"))
    for how in (policy(known_bad=bad), policy(known_bad=bad, sample=Sample(n=2))):
        found, _ = ended(tmp_path, how, *rows)
        assert [(one["verdict"], one["rule"], one["duplicate_of"]) for one in found] == [
            ("reject", "bad", None), ("keep", None, None), ("keep", None, None),
        ]  # fmt: skip


def test_the_first_list_and_the_nearest_hash(tmp_path):
    """Of several lists the first names the reason; on one, SHA-256 goes before MD5 before the nearest PDQ hash."""
    everything = f"sha256,{sha('x')}\nmd5,{md5('x')}\nmd5,{md5('y')}\npdq,{away(9)}\npdq,{away(4)}"
    for order, reasons in (
        (("all", "near"), ["its SHA-256 is in", "its MD5", "is 4 bits from"]),
        (("near", "all"), ["is 2 bits from"] * 3),
    ):
        texts = {"all": everything, "near": f"# pdq\n{away(2)}"}
        bad = known(tmp_path, **{name: texts[name] for name in order})
        rows, funnel = ended(tmp_path, policy(known_bad=bad), *(hashed(name, BASE) for name in "xyz"))
        assert [one["rule"] for one in rows] == [order[0]] * 3
        assert all(reason in one["reason"] for reason, one in zip(reasons, rows, strict=True))
        assert funnel.alone == dict.fromkeys(order, 3)


def test_distance_and_quality(tmp_path):
    """The radius and the least quality are the recipe's; below the quality bytes still count."""
    rows = [hashed("near", away(5)), hashed("far", away(6)), hashed("low", BASE, quality=49), hashed("sum", quality=0)]
    text = f"pdq,{BASE}\nmd5,{md5('sum')}"
    found, _ = ended(tmp_path, policy(known_bad=known(tmp_path, 5, 50, bad=text)), *rows)
    assert [one["verdict"] for one in found] == ["reject", "keep", "keep", "reject"]
    found, _ = ended(tmp_path, policy(known_bad=known(tmp_path, 0, bad=text)), *rows)
    assert [one["verdict"] for one in found] == ["keep", "keep", "reject", "reject"]


def test_pictures_without_structure_match_nothing(tmp_path):
    """The hash of zeros, which every uniform picture has, is no reason to reject one."""
    how = policy(known_bad=known(tmp_path, bad=f"# pdq\n{'0' * 64}"))
    rows, _ = ended(tmp_path, how, hashed("flat", "0" * 64, quality=0), hashed("dot", f"{1:064x}", quality=0))
    assert [one["verdict"] for one in rows] == ["keep", "reject"]


def test_what_has_no_hash_is_told(tmp_path):
    """An image without the hash that a list needs is not rejected, and does not pass unnoticed."""
    bad = known(tmp_path, sums=f"# sha256\n{sha('w')}", bytes=md5("x"), pictures=f"# pdq\n{BASE}")
    rows, funnel = ended(
        tmp_path,
        policy("a < 0", known_bad=bad),
        hashed("x", md5=None), hashed("y", pdq="no hash"), hashed("z", a=1.0), hashed("w", md5=None),
        hashed("q", error="e"),
    )  # fmt: skip
    assert [one["verdict"] for one in rows] == ["keep", "keep", "keep", "reject", "quarantine"]
    assert [one["undecided"] for one in rows] == [["bytes", "r0"], ["pictures", "r0"], None, ["r0"], None]
    assert funnel.undecided == {"bytes": 2, "pictures": 1, "r0": 3}


@pytest.mark.parametrize(("kind", "text"), [("MD5", md5("x")), ("PDQ", f"# pdq\n{BASE}")])
def test_a_run_without_the_score(tmp_path, kind, text):
    """MD5 and PDQ lists say which score they need, before anything runs; SHA-256 needs none."""
    plain = part_schema(COLUMNS)
    with pytest.raises(RecipeError, match=f"recipe, bad: the list 'bad' has {kind} hashes.*add `hashes` to `scores`"):
        check_policy(policy(known_bad=known(tmp_path, bad=text)), plain)
    how = policy(known_bad=known(tmp_path, bad=f"# sha256\n{sha('x')}"))
    check_policy(how, plain)
    rows, _ = decided(tmp_path, how, [row("x", sha256=sha("x")), row("y", sha256=sha("y"))])
    assert [one["rule"] for one in rows] == ["bad", None]


@pytest.mark.parametrize("name", ["deny", "allow", "sample", "same_bytes", " ", "r0"])
def test_names_that_are_taken(tmp_path, name):
    """A list may not be called like a rule or like a reason of decisions themselves."""
    (tmp_path / "x").write_text(md5("x"))
    with pytest.raises(RecipeError, match="rename"):
        policy("a < 1", known_bad=KnownBad((read_hash_list(name, str(tmp_path / "x"), "there"),)))


def test_two_lists_of_one_name_and_numbers_out_of_range(tmp_path):
    """What a recipe cannot say is refused where it is made in Python too."""
    [one] = known(tmp_path, bad=md5("x")).lists
    for wrong in (((one, one), 31, 0), ((one,), 32, 0), ((one,), -1, 0), ((one,), 31, 101)):
        with pytest.raises(RecipeError):
            KnownBad(*wrong)


def test_names_with_quotes(tmp_path):
    """Names and files are text, whatever is in them."""
    (tmp_path / 'it\'s "bad".md5').write_text(md5("x"))
    one = read_hash_list("it's; DROP TABLE records", str(tmp_path / 'it\'s "bad".md5'))
    rows, funnel = ended(tmp_path, policy(known_bad=KnownBad((one,))), hashed("x"), hashed("y"))
    assert (rows[0]["rule"], rows[0]["reason"]) == (one.name, f'its MD5 {md5("x")} is in it\'s "bad".md5')
    assert funnel.rejected == {one.name: 1}


def test_empty_lists(tmp_path):
    """A list of nothing rejects nothing, and asks for no score."""
    rows, funnel = decided(tmp_path, policy(known_bad=known(tmp_path, bad="# pdq\n")), [row("x")])
    assert (rows[0]["verdict"], funnel.rejected, funnel.undecided) == ("keep", {"bad": 0}, {})


def test_a_progress_display_knows_them(tmp_path):
    """The preview of one part counts known images as rejected."""
    table = pa.Table.from_pylist([hashed("x"), hashed("y", away(3)), hashed("z")], schema=SCHEMA)
    how = policy(known_bad=known(tmp_path, bad=f"md5,{md5('x')}\npdq,{BASE}"))
    assert preview(table, how).verdicts == {"keep": 1, "reject": 2}


def test_a_run_behind_a_url(tmp_path):
    """Parts that are not on this machine, of which one lacks the hashes, are matched the same way."""
    rows = [hashed("x", away(3)), hashed("y")]
    how = policy(known_bad=known(tmp_path, near=f"# pdq\n{BASE}", sums=md5("y")))
    run, ids = made_run("memory://known-bad", rows, schema=SCHEMA)
    write_part(run, "f" * 16, [{"ordinal": 0, **row("z")}], part_schema(COLUMNS))
    decide(run, [*ids, "f" * 16], how)
    found = decisions(run)
    assert [one["rule"] for one in found] == ["near", "sums", None]
    assert found[2]["undecided"] == ["near", "sums"]


def test_explained(tmp_path):
    """All lists that have an image are named in their order with what matched, beside rules and lists of ids."""
    bad = known(tmp_path, first=f"# pdq\n{away(7)}", second=md5("x"), third=md5("other"))
    how = policy("a < 5", known_bad=bad, allow=listed(tmp_path, "x"))
    run, ids = made_run(tmp_path, [hashed("x", BASE, a=1.0), hashed("y", a=1.0)], schema=SCHEMA)
    found = explain_row(run, ids, how, "x")
    assert [tuple(one) for one in found.known] == [
        ("first", f"its PDQ hash (quality 90) is 7 bits from {away(7)} in first.txt"),
        ("second", f"its MD5 {md5('x')} is in second.txt"),
    ]
    assert (found.listed, [one.matches for one in found.rules]) == (("allow",), [True])
    assert explain_row(run, ids, how, "y").known == ()


def test_explained_beside_a_key_without_a_value(tmp_path):
    """A rule on a key that is null everywhere stands in no way of asking which lists have an image."""
    how = policy("metadata.n > 5", known_bad=known(tmp_path, sums=md5("x"), pictures=f"# pdq\n{BASE}"))
    run, ids = made_run(tmp_path, [hashed("x", BASE, metadata='{"n": null}'), hashed("y")], schema=SCHEMA)
    assert [one.name for one in explain_row(run, ids, how, "x").known] == ["sums", "pictures"]
    assert explain_row(run, ids, how, "y").known == ()


@pytest.mark.parametrize("threads", [1, 4])
def test_many_images_and_lists_agree_with_counting(tmp_path, threads):
    """Thousands of images against thousands of hashes end as comparing each with each says, whatever the threads."""
    random = np.random.default_rng(5)
    images = random.integers(0, 256, (3000, 32), dtype=np.uint8)
    others = random.integers(0, 256, (1500, 32), dtype=np.uint8)
    others[:40] = images[:40]
    flips = random.integers(20, 45, 40)
    for at, number in enumerate(flips):
        spread = np.unpackbits(others[at])
        spread[random.choice(256, number, replace=False)] ^= 1
        others[at] = np.packbits(spread)
    bad = known(tmp_path, bad="# pdq\n" + "\n".join(one.tobytes().hex() for one in others))
    rows = [hashed(f"{at:04d}", one.tobytes().hex()) for at, one in enumerate(images)]
    run, ids = made_run(tmp_path, rows[:1000], rows[1000:], schema=SCHEMA)
    decide(run, ids, policy(known_bad=bad), threads=threads)
    found = {one["image_id"]: one["score"] for one in decisions(run) if one["rule"] == "bad"}
    assert found == {f"{at:04d}": float(number) for at, number in enumerate(flips) if number <= 31}
