"""Lists of ids: how they are read, and what allowing and denying means."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.runs.tables import SCHEMA, decided, listed, policy, row

from nemo_curator import storage
from nemo_curator.errors import InputError, RecipeError
from nemo_curator.runs.deciding import Sample, Split, check_policy, parse_rule, preview, read_id_list


def test_text_as_people_and_tools_write_it(tmp_path):
    """A byte order mark, Windows line ends, blank lines, repeated ids and a missing last line end are no matter."""
    path = tmp_path / "ids.txt"
    path.write_bytes("\ufeffb/2\r\n\r\na 1 \n  \né\nb/2".encode())
    found = read_id_list(str(path))
    assert (found.name, found.ids.to_pylist()) == ("ids.txt", ["a 1 ", "b/2", "é"])
    assert found.sha256 == hashlib.sha256("a 1 \nb/2\né".encode()).hexdigest()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet_with_a_column_of_ids(tmp_path, kind):
    """A Parquet gives its column `image_id`, whatever the file is called; equal sets have equal hashes."""
    path = tmp_path / "ids"
    pq.write_table(pa.table({"n": [1, 2, 3, 4], "image_id": pa.array(["b", "a", None, "b"]).cast(kind)}), path)
    found = read_id_list(str(path))
    assert found.ids.to_pylist() == ["a", "b"]
    assert found.sha256 == listed(tmp_path, "b", "a").sha256


def test_many_ids_hash_as_few_do(tmp_path):
    """The hash is that of the sorted ids joined by newlines, over any number of blocks."""
    ids = [f"{number:06d}" for number in range(150_000)]
    assert listed(tmp_path, *reversed(ids)).sha256 == hashlib.sha256("\n".join(ids).encode()).hexdigest()


def test_an_empty_list(tmp_path):
    """A file without an id is a list of none."""
    assert len(listed(tmp_path).ids) == 0
    rows, funnel = decided(tmp_path, policy(allow=listed(tmp_path), deny=listed(tmp_path)), [row("x")])
    assert (rows[0]["verdict"], funnel.allowed, funnel.rejected) == ("keep", 0, {"deny": 0})


def test_a_list_behind_a_url():
    """A list may be anywhere that we can read."""
    with storage.write_atomic("memory://lists/ids.txt") as file:
        file.write(b"x\n")
    found = read_id_list("memory://lists/ids.txt")
    assert (found.name, found.ids.to_pylist()) == ("ids.txt", ["x"])


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read"), (b"a\n\xff\xfe", "no text in UTF-8"), (b"PAR1 and no more", "cannot be read")],
)
def test_what_is_no_list(tmp_path, content, says):
    """A missing, binary or torn file is refused with its name."""
    path = tmp_path / "ids"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=says) as caught:
        read_id_list(str(path))
    assert caught.value.where == str(path)


def test_parquet_without_ids(tmp_path):
    """A Parquet that lacks the column says which it has."""
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "ids.parquet")
    with pytest.raises(InputError, match=r"no column image_id.*it has id"):
        read_id_list(str(tmp_path / "ids.parquet"))


def test_allow_and_deny(tmp_path):
    """Deny wins over allow, both win over rules, nothing wins over quarantine; each says where it comes from."""
    names = ["plain", "allowed", "denied", "both", "broken"]
    rows, funnel = decided(
        tmp_path,
        policy(
            "a < 5",
            allow=listed(tmp_path, "allowed", "both", "broken", "elsewhere", name="good.txt"),
            deny=listed(tmp_path, "denied", "both", "broken", name="bad.txt"),
        ),
        [row(name, a=1.0, error="e" if name == "broken" else None) for name in names],
    )
    assert [(one["verdict"], one["rule"], one["reason"], one["score"]) for one in rows] == [
        ("reject", "r0", "a < 5", 1.0),
        ("keep", "allow", "listed in good.txt", None),
        ("reject", "deny", "listed in bad.txt", None),
        ("reject", "deny", "listed in bad.txt", None),
        ("quarantine", None, "e", None),
    ]
    assert list(funnel.rejected.items()) == [("deny", 2), ("r0", 1)]
    assert (funnel.allowed, funnel.unlisted, funnel.alone) == (1, {"allow": 1}, {"r0": 3})


def test_an_allowed_image_stands_for_its_copies(tmp_path):
    """Of equal bytes an allowed image stays before a preferred one; it may itself be a copy of another allowed one."""
    rows, _ = decided(
        tmp_path,
        policy(prefer="a", allow=listed(tmp_path, "y", "z")),
        [row("x", sha256="s", a=9.0), row("y", sha256="s", a=1.0), row("z", sha256="s", a=0.0)],
    )
    assert [(one["verdict"], one["rule"], one["duplicate_of"]) for one in rows] == [
        ("duplicate", "same_bytes", "y"),
        ("keep", "allow", None),
        ("duplicate", "same_bytes", "y"),
    ]


def test_allowed_images_are_drawn_first(tmp_path):
    """A sample takes allowed images before others, and no more than it asks for."""
    rows = [row(f"{number}") for number in range(9)]
    allow = listed(tmp_path, "3", "4", "5")
    for size, kept_of_allowed in ((2, 2), (3, 3), (5, 3)):
        how = policy(allow=allow, sample=Sample(n=size))
        found, funnel = decided(tmp_path, how, rows)
        kept = {one["image_id"] for one in found if one["verdict"] == "keep"}
        assert (len(kept), len(kept & {"3", "4", "5"})) == (size, kept_of_allowed)
        assert list(funnel.rejected) == ["sample"]


def test_a_copy_follows_its_image_out_of_the_sample(tmp_path):
    """A copy of an image that is not drawn is no duplicate of anything kept: it is rejected with it, and says so."""
    rows, funnel = decided(tmp_path, policy(sample=Sample(n=0)), [row("x", sha256="s"), row("y", sha256="s")])
    assert [(one["verdict"], one["rule"], one["duplicate_of"]) for one in rows] == [("reject", "sample", None)] * 2
    assert [one["reason"] for one in rows] == [
        "not drawn for the sample of 0",
        "its bytes equal those of x, which was not drawn for the sample of 0",
    ]
    assert funnel.rejected == {"sample": 2}


@pytest.mark.parametrize(("share", "kept"), [(0.0, 0), (0.25, 3), (0.5, 5), (1.0, 10), (0.04, 0), (0.05, 1)])
def test_a_share_is_of_what_is_left(tmp_path, share, kept):
    """A share counts what rules and duplicates leave, and half an image as one."""
    rows = [row(str(number), a=float(number)) for number in range(12)]
    _, funnel = decided(tmp_path, policy("a >= 10", sample=Sample(share=share)), rows)
    assert funnel.kept == kept


def test_the_preview_knows_lists(tmp_path):
    """The display's preview counts lists; a sample needs the whole run, and is left out."""
    how = policy("a < 5", deny=listed(tmp_path, "y"), allow=listed(tmp_path, "x"), sample=Sample(n=0))
    table = pa.Table.from_pylist([row("x", a=1.0), row("y", a=9.0), row("z", a=9.0)], schema=SCHEMA)
    assert preview(table, how).verdicts == {"keep": 2, "reject": 1}


@pytest.mark.parametrize("name", ["allow", "deny", "sample", "same_bytes"])
def test_names_of_our_own_reasons(name):
    """A rule named like a reason of decisions themselves is refused with its place."""
    with pytest.raises(RecipeError, match=f"recipe.yaml, line 3: rule '{name}': '{name}' is a reason of our own"):
        parse_rule(name, "a < 1", SCHEMA.names, "recipe.yaml, line 3")


@pytest.mark.parametrize("given", [{}, {"n": 1, "share": 0.5}, {"n": -1}, {"share": 1.5}, {"share": float("nan")}])
def test_a_sample_has_one_size(given):
    """A sample without a size, with two, or with an impossible one is refused where it is made."""
    with pytest.raises(RecipeError, match="sample: "):
        Sample(**given)


@pytest.mark.parametrize("shares", [(), (("a", 0.0),), (("a", 1.0), ("b", -0.5)), (("a", float("nan")),)])
def test_a_split_has_a_share(shares):
    """A split without a share above 0, or with an impossible one, is refused where it is made."""
    with pytest.raises(RecipeError, match="split: "):
        Split(shares)


@pytest.mark.parametrize("part", [{"sample": Sample(n=1, by="wrd")}, {"split": Split((("a", 1.0),), by="wrd")}])
def test_by_names_a_column(part):
    """A stratum or key that is no column is refused before the run, with the nearest."""
    with pytest.raises(RecipeError, match=r"(sample|split): by: .*'wrd'.*did you mean 'word'\?"):
        check_policy(policy(**part), SCHEMA)
