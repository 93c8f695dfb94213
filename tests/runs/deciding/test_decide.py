"""Decisions over stored rows: rules, quantiles, duplicates, and that the books balance."""

from __future__ import annotations

import math
import tempfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.tables import COLUMNS, SCHEMA, decided, made_run, policy, row

from nemo_curator.errors import ConservationError, DuplicateIdError, RecipeError
from nemo_curator.runs.deciding import Funnel, Policy, Sample, Split, check_policy, decide, parse_rule, preview
from nemo_curator.runs.parts import part_schema, read_part
from nemo_curator.stages.declarations import Column


def test_first_match_wins(tmp_path):
    """The first rule that matches rejects, and its figures are recorded; later ones are counted as alone only."""
    rows, funnel = decided(
        tmp_path, policy("a < 5", "a < 10", "b > 3"), [row("x", a=1.0), row("y", a=7.0, b=9), row("z", a=20.0, b=1)]
    )
    assert [(one["verdict"], one["rule"], one["score"], one["threshold"]) for one in rows] == [
        ("reject", "r0", 1.0, 5.0), ("reject", "r1", 7.0, 10.0), ("keep", None, None, None)
    ]  # fmt: skip
    assert rows[0]["reason"] == "a < 5"
    assert (funnel.rejected, funnel.alone) == ({"r0": 1, "r1": 1, "r2": 0}, {"r0": 1, "r1": 2, "r2": 1})


def test_null_does_not_reject_and_is_counted(tmp_path):
    """A rule over a missing value neither rejects nor passes unsaid; quarantined rows are not among the undecided."""
    rows, funnel = decided(tmp_path, policy("a < 5", "b < 0"), [row("x"), row("y", a=1.0), row("z", error="broken")])
    assert [one["verdict"] for one in rows] == ["keep", "reject", "quarantine"]
    assert [one["undecided"] for one in rows] == [["r0", "r1"], ["r1"], None]
    assert funnel.undecided == {"r0": 1, "r1": 2}
    assert funnel.quarantined == {"broken": 1}


def test_quarantine_says_why(tmp_path):
    """An unreadable record is never rejected or kept; its reason is the error and its detail."""
    rows, _ = decided(tmp_path, policy("true"), [row("x", error="decode_failed", error_detail="cut off")])
    assert (rows[0]["verdict"], rows[0]["rule"], rows[0]["undecided"]) == ("quarantine", None, None)
    assert rows[0]["reason"] == "decode_failed: cut off"


def test_rows_come_in_source_order(tmp_path):
    """Decisions follow the partitions in their given order and the ordinal inside, not names and not ids."""
    rows, _ = decided(tmp_path, policy(), [row("z"), row("a")], [row("m")], [row("b"), row("0")])
    assert [one["image_id"] for one in rows] == ["z", "a", "m", "b", "0"]


def test_names_and_texts_with_quotes(tmp_path):
    """Names and texts that look like SQL are data."""
    name = "it's \"x\"; DROP TABLE records --\n'"
    rows, funnel = decided(tmp_path, policy((name, "word = 'it''s'")), [row("x", word="it's"), row("y'", word="a")])
    assert rows[0]["rule"] == name
    assert rows[0]["reason"] == "word = 'it''s'"
    assert funnel.rejected == {name: 1}
    assert rows[1]["verdict"] == "keep"


def test_what_cannot_be_computed_is_undecided(tmp_path):
    """An overflow, or a pattern that is none, is NULL for that row and does not end the run."""
    rows, funnel = decided(
        tmp_path,
        policy("b * b * b > 1", "regexp_matches('a', word)", "width * height > 2000000000"),
        [row("x", word="(", b=2**40), row("y", word="a", b=1), row("z", width=65_535, height=66_601)],
    )
    assert [one["rule"] for one in rows] == [None, "r1", "r2"]
    assert funnel.undecided == {"r0": 2, "r1": 2}


def test_text_compared_with_a_number_is_refused():
    """A comparison of text with a number is refused before the run, with DuckDB's own words."""
    with pytest.raises(RecipeError, match=r"rule 'r0' \(word > 5\): .*VARCHAR"):
        check_policy(policy("word > 5"), SCHEMA)


def test_areas_do_not_overflow(tmp_path):
    """Choosing the larger of two copies works for areas beyond 32 bits, and a bomb in quarantine does no harm."""
    big = {"width": 2_000_000_000, "height": 2_000_000_000}
    rows, _ = decided(
        tmp_path,
        policy(prefer="width * height"),
        [row("small", sha256="s"), row("large", sha256="s", **big), row("bomb", error="over_limit", **big)],
    )
    assert [one["verdict"] for one in rows] == ["duplicate", "keep", "quarantine"]


def test_duplicates_choose_by_preference_then_id(tmp_path):
    """Of equal bytes the preferred stays (a missing preference last), then the smaller id; the others name it."""
    rows, funnel = decided(
        tmp_path,
        policy(prefer="a"),
        [row("c", sha256="1", a=2.0), row("b", sha256="1", a=2.0), row("a", sha256="1", a=1.0)],
        [row("d", sha256="1"), row("e", sha256="2"), row("f", sha256=None), row("g", sha256=None)],
    )
    assert {one["image_id"]: one["duplicate_of"] for one in rows} == {
        "c": "b", "b": None, "a": "b", "d": "b", "e": None, "f": None, "g": None
    }  # fmt: skip
    assert rows[0]["rule"] == "same_bytes"
    assert rows[0]["reason"] == "its bytes equal those of b"
    assert funnel.duplicates == 3


def test_nothing_duplicates_a_rejected_image(tmp_path):
    """A rejected or quarantined image represents nobody: its copy is judged, and kept, by itself."""
    rows, _ = decided(
        tmp_path,
        policy("b > 5", prefer="b"),
        [row("x", sha256="1", b=9), row("y", sha256="1", b=1), row("z", sha256="1", error="broken", b=3)],
    )
    assert [one["verdict"] for one in rows] == ["reject", "keep", "quarantine"]


def test_duplicates_can_be_kept(tmp_path):
    """Without the duplicate search, equal bytes all stay."""
    rows, _ = decided(tmp_path, policy(duplicate_bytes=False), [row("x", sha256="1"), row("y", sha256="1")])
    assert [one["verdict"] for one in rows] == ["keep", "keep"]


def test_equal_ids_are_an_error(tmp_path):
    """Two inputs of one id are not silently one; the error names the id."""
    with pytest.raises(DuplicateIdError, match="'x'"):
        decided(tmp_path, policy(), [row("x")], [row("x")])


def test_funnel_that_does_not_add_up_is_an_error():
    """Books that do not balance are reported as a fault of this program."""
    Funnel(inputs=3, kept=1, rejected={"a": 1}, duplicates=0, quarantined={"b": 1}).check()
    with pytest.raises(ConservationError):
        Funnel(inputs=3, kept=1).check()


def test_no_input_at_all(tmp_path):
    """Partitions without a record give an empty table of the right columns and a funnel of zeros."""
    rows, funnel = decided(tmp_path, policy("a < quantile(a, 0.5)", "b < 1"), [], [])
    assert rows == []
    assert (funnel.inputs, funnel.kept, funnel.alone) == (0, 0, {"r0": 0, "r1": 0})


def test_columns_named_as_ours(tmp_path):
    """A stage may call its columns position, matched, best or verdict without getting into our way."""
    columns = (Column("position"), Column("matched"), Column("best"), Column("verdict", "string"), Column("rule"))
    schema = part_schema(columns)
    rules = tuple(parse_rule(name, f"{name} > 1", schema.names) for name in ("position", "matched", "best", "rule"))
    check_policy(Policy(rules, prefer=parse_rule("prefer", "best", schema.names)), schema)


def test_prefer_may_not_ask_for_a_quantile():
    """A preference with a quantile is refused before the run."""
    with pytest.raises(RecipeError, match="may not ask for a quantile"):
        check_policy(policy(prefer="quantile(a, 0.5)"), SCHEMA)


def test_preview_leaves_quantiles_out(tmp_path):
    """The display's preview counts verdicts of one part by the rules that need no other part."""
    run, ids = made_run(tmp_path, [row("x", a=1.0), row("y", a=7.0), row("z", error="e"), row("w", a=7.0)])
    counts = preview(read_part(run, ids[0]), policy("a < 5", "a < quantile(a, 0.99)")).verdicts
    assert counts == {"reject": 1, "keep": 2, "quarantine": 1}


def test_decisions_are_the_same_bytes_again(tmp_path):
    """Deciding again writes the same bytes, with any number of threads, over more rows than a row group holds."""
    parts = [[row(f"{part}-{at}", a=float(at % 97), sha256=str(at % 5000)) for at in range(9000)] for part in range(16)]
    run, ids = made_run(tmp_path, *parts)
    how = policy("a < quantile(a, 0.3)", "rank(a + b) < 5", sample=Sample(n=70), split=Split((("x", 0.5), ("y", 0.5))))
    decide(run, ids, how)
    first = Path(run.decisions).read_bytes()
    for threads in (1, 2, 5):
        decide(run, ids, how, threads=threads)
        assert Path(run.decisions).read_bytes() == first, threads


def test_a_dry_run_counts_and_writes_nothing(tmp_path):
    """`write=False` gives the funnel and leaves what was decided before."""
    run, ids = made_run(tmp_path, [row("x", a=1.0), row("y", a=3.0)])
    assert decide(run, ids, policy("a < 2"), write=False).rejected == {"r0": 1}
    assert not Path(run.decisions).exists()


VALUES = st.none() | st.sampled_from([0.0, 1.0, 1.5, 2.0, -3.0, math.inf, -math.inf]) | st.floats(-9, 9)


@settings(max_examples=20)
@given(
    values=st.lists(VALUES, min_size=1, max_size=40), q=st.sampled_from(["0", "0.1", "0.25", "0.3", "0.5", "0.9", "1"])
)
def test_quantile_is_the_smallest_value_that_a_share_does_not_exceed(values, q):
    """`quantile(a, q)`: the smallest value that at least a share q of the readable, known values do not exceed."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(str(at), a=value) for at, value in enumerate(values)]
        rows.append(row("unreadable", a=-100.0, error="broken"))
        found, _ = decided(Path(folder), policy(f"a <= quantile(a, {q})", duplicate_bytes=False), rows)
    known = sorted(value for value in values if value is not None)
    if not known:
        assert all(one["verdict"] != "reject" for one in found)
        return
    rank = max(1, math.ceil(Fraction(q) * len(known)))
    limit = known[rank - 1]
    for one, value in zip(found, values, strict=False):
        assert (one["verdict"] == "reject") == (value is not None and value <= limit)


RECORDS = st.fixed_dictionaries(
    {
        "a": VALUES,
        "b": st.none() | st.integers(-5, 5),
        "flag": st.none() | st.booleans(),
        "sha256": st.none() | st.sampled_from("pqr"),
        "error": st.none() | st.none() | st.sampled_from(["decode_failed", "over_limit"]),
    }
)
RULES = st.sampled_from(
    ["a < 1", "b > 2", "flag", "a < quantile(a, 0.5)", "b = a", "not flag or a > b", "true", "null"]
)


@settings(max_examples=25)
@given(
    partitions=st.lists(st.lists(RECORDS, max_size=12), min_size=1, max_size=3),
    rules=st.lists(RULES, max_size=4),
    prefer=st.sampled_from([None, "a", "b", "word"]),
    duplicates=st.booleans(),
)
def test_the_books_balance(partitions, rules, prefer, duplicates):
    """For any rows and rules every input has one verdict, and a duplicate names a kept image with the same bytes."""
    parts = [
        [row(f"{at}/{index}", **record) for index, record in enumerate(records)]
        for at, records in enumerate(partitions)
    ]
    given_rows = {one["image_id"]: one for records in parts for one in records}
    with tempfile.TemporaryDirectory() as folder:
        found, funnel = decided(Path(folder), policy(*rules, prefer=prefer, duplicate_bytes=duplicates), *parts)
    assert [one["image_id"] for one in found] == list(given_rows)
    by_verdict = {verdict: [one for one in found if one["verdict"] == verdict] for verdict in VERDICT_COUNTS}
    assert {verdict: len(rows) for verdict, rows in by_verdict.items()} == {
        verdict: count(funnel) for verdict, count in VERDICT_COUNTS.items()
    }
    assert sum(map(len, by_verdict.values())) == funnel.inputs == len(given_rows)
    kept = {one["image_id"]: given_rows[one["image_id"]] for one in by_verdict["keep"]}
    for one in by_verdict["duplicate"]:
        assert kept[one["duplicate_of"]]["sha256"] == given_rows[one["image_id"]]["sha256"]
    hashes = [one["sha256"] for one in kept.values() if one["sha256"]]
    assert not duplicates or len(hashes) == len(set(hashes))
    assert {one["image_id"] for one in by_verdict["quarantine"]} == {
        image_id for image_id, one in given_rows.items() if one["error"]
    }


VERDICT_COUNTS = {
    "keep": lambda funnel: funnel.kept,
    "reject": lambda funnel: sum(funnel.rejected.values()),
    "duplicate": lambda funnel: funnel.duplicates,
    "quarantine": lambda funnel: sum(funnel.quarantined.values()),
}


def test_columns_of_the_made_runs():
    """The columns of these tests are stored under their own types."""
    assert [str(SCHEMA.field(column.name).type) for column in COLUMNS] == ["double", "int64", "bool", "string"]
