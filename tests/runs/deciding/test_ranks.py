"""`rank(expression)` in rules: what it means, and what is refused."""

from __future__ import annotations

import math

import pytest
from tests.runs.tables import SCHEMA, decided, policy, row

from nemo_curator.errors import RecipeError
from nemo_curator.runs.deciding import Rank, check_policy, parse_rule


def test_ranks_count_from_the_largest(tmp_path):
    """1 is the largest value; ties go by id; quarantined images have no rank and take none."""
    rows, _ = decided(
        tmp_path,
        policy("rank(a) > 2"),
        [
            row("c", a=5.0),
            row("broken", a=9.0, error="broken"),
            row("b", a=5.0),
            row("a", a=7.0),
            row("d", a=-math.inf),
        ],
    )
    assert [(one["image_id"], one["verdict"], one["score"], one["threshold"]) for one in rows] == [
        ("c", "reject", 3.0, 2.0),
        ("broken", "quarantine", None, None),
        ("b", "keep", None, None),
        ("a", "keep", None, None),
        ("d", "reject", 4.0, 2.0),
    ]


def test_nothing_has_no_rank(tmp_path):
    """NULL, NaN and what cannot be computed have no rank: the rule is undecided."""
    rows, funnel = decided(
        tmp_path,
        policy("rank(a) < 0", "rank(b * b) < 0"),
        [row("x", b=1), row("y", a=math.nan), row("z", a=1.0, b=2**62)],
    )
    assert [one["undecided"] for one in rows] == [["r0"], ["r0", "r1"], ["r1"]]
    assert funnel.undecided == {"r0": 2, "r1": 2}


def test_ranks_of_integers_are_exact(tmp_path):
    """Integers beyond the precision of a double are told apart."""
    rows, _ = decided(tmp_path, policy("rank(b) = 1"), [row("a", b=2**53), row("b", b=2**53 + 1)])
    assert [one["verdict"] for one in rows] == ["keep", "reject"]


def test_a_quantile_inside_a_rank(tmp_path):
    """A rank may be by the distance from a quantile."""
    rows, _ = decided(
        tmp_path,
        policy("rank(abs(a - quantile(a, 0.5))) = 1"),
        [row("x", a=1.0), row("y", a=2.0), row("z", a=9.0)],
    )
    assert [one["verdict"] for one in rows] == ["keep", "keep", "reject"]


def test_a_column_named_rank():
    """The word is a function only where it is called."""
    assert parse_rule("r", "rank < 3", ["rank"]).ranks == frozenset()


REFUSED = {
    "rank() < 1": "no rank",
    "rank(a, b) < 1": "no rank",
    "rank(1) < 1": "no rank",
    "rank(*) < 1": "",
    "rank(rank(a)) < 1": "a rank of a rank",
    "rank(a + rank(b)) < 1": "a rank of a rank",
    "a < quantile(rank(a), 0.5)": "no quantile",
    "rank(a) over () < 1": "not allowed",
    "rank(a) over (order by b) < 1": "not allowed",
    "rank(a order by b) < 1": "",
    "rank(distinct a) < 1": "",
    "rank(a) filter (where flag) < 1": "not allowed",
    "main.rank(a) < 1": "not allowed",
    "dense_rank(a) < 1": "not allowed",
    "percent_rank(a) < 1": "not allowed",
    "rank((select 1)) < 1": "",
    "rank(nothing) < 1": "there is no column",
    "rank(read_text('x')) < 1": "not allowed",
    "rank(a || read_text('x')) < 1": "not allowed",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    """What is no rank of one expression over columns is refused in a sentence, before DuckDB sees it."""
    with pytest.raises(RecipeError) as caught:
        parse_rule("r", text, SCHEMA.names, "recipe.yaml, line 3")
    assert str(caught.value).startswith("recipe.yaml, line 3: rule 'r'")
    assert REFUSED[text] in str(caught.value)


@pytest.mark.parametrize("text", ["rank(word) < 3", "rank(flag) < 3", "rank(a < b) < 3", "rank(members) < 3"])
def test_ranks_are_of_numbers(text):
    """A rank by text or truth is refused before the run."""
    with pytest.raises(RecipeError, match="is no number"):
        check_policy(policy(text), SCHEMA)


def test_prefer_may_not_ask_for_a_rank():
    """A preference with a rank is refused before the run."""
    with pytest.raises(RecipeError, match="may not ask for a quantile or a rank"):
        check_policy(policy(prefer="rank(a)"), SCHEMA)


def test_a_rule_knows_its_ranks():
    """A rule lists what must be computed first: the expression of each rank, once, and the columns inside."""
    rule = parse_rule("r", "rank(A) < 3 or rank(A) > 9 or rank(width * height) < 3", SCHEMA.names)
    assert rule.ranks == {Rank("A"), Rank("width * height")}
    assert rule.columns == {"a", "width", "height"}
    assert not rule.of_one_row
