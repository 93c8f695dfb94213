"""Explaining one image: every rule with its figures, and who shares its bytes."""

from __future__ import annotations

import pytest
from tests.runs.tables import listed, made_run, policy, row

from nemo_curator.errors import InputError, RecipeError
from nemo_curator.runs.deciding import RuleAnswer, decide, explain_row, parse_rule

ROWS = [
    row("x", a=1.0, b=1, sha256="s"),
    row("y", a=2.0, b=2, sha256="s"),
    row("z", a=3.0, sha256="s", flag=True),
    row("broken", error="decode_failed"),
]
HOW = policy("a <= quantile(a, 0.5)", "rank(a) > 2", "b < 2", "flag or b > 9", prefer="a")


def test_every_rule_answers(tmp_path):
    """All rules are asked, also after the first that matches, with quantiles and ranks of the whole run."""
    run, ids = made_run(tmp_path, ROWS[:2], ROWS[2:])
    found = explain_row(run, ids, HOW, "x")
    assert found.rules == (
        RuleAnswer("r0", "a <= quantile(a, 0.5)", True, 1.0, 2.0),
        RuleAnswer("r1", "rank(a) > 2", True, 3.0, 2.0),
        RuleAnswer("r2", "b < 2", True, 1.0, 2.0),
        RuleAnswer("r3", "flag or b > 9", None, None, None),
    )
    assert [one.matches for one in explain_row(run, ids, HOW, "z").rules] == [False, False, None, True]
    assert (found.error, found.listed, found.duplicate_of, found.duplicates) == (None, (), None, ())


def test_who_shares_its_bytes(tmp_path):
    """By the decisions that stand: the image that it duplicates, and the others that duplicate the same one or it."""
    run, ids = made_run(tmp_path, ROWS)
    how = policy(prefer="a")
    decide(run, ids, how)
    for name, expected in {"x": ("z", ("y",)), "y": ("z", ("x",)), "z": (None, ("x", "y"))}.items():
        found = explain_row(run, ids, how, name)
        assert (found.duplicate_of, found.duplicates) == expected


def test_lists_are_named_and_have_no_say(tmp_path):
    """A listed image is asked all the same, so that its author sees what the list overrules."""
    run, ids = made_run(tmp_path, ROWS)
    how = policy("a < 9", allow=listed(tmp_path, "x", "y"), deny=listed(tmp_path, "y"))
    assert explain_row(run, ids, how, "x").listed == ("allow",)
    assert explain_row(run, ids, how, "y").listed == ("deny", "allow")
    assert explain_row(run, ids, how, "y").rules[0].matches
    assert explain_row(run, ids, how, "z").listed == ()


def test_an_unreadable_image(tmp_path):
    """No rule is asked about what could not be read."""
    run, ids = made_run(tmp_path, ROWS)
    found = explain_row(run, ids, HOW, "broken")
    assert (found.error, found.rules) == ("decode_failed", ())


def test_without_rules(tmp_path):
    """A policy of no rule has no answers."""
    run, ids = made_run(tmp_path, ROWS)
    assert explain_row(run, ids, policy(), "x").rules == ()


def test_an_unknown_image_and_a_bad_rule(tmp_path):
    """Both are told apart, in a sentence each."""
    run, ids = made_run(tmp_path, ROWS)
    with pytest.raises(InputError, match="has no image 'nobody'"):
        explain_row(run, ids, HOW, "nobody")
    with pytest.raises(InputError, match='has no image "o\'; DROP TABLE records"'):
        explain_row(run, ids, HOW, "o'; DROP TABLE records")
    with pytest.raises(RecipeError, match="not true or false"):
        explain_row(run, ids, policy("a + 1"), "x")
    assert parse_rule("r", "a < 1", ["a"]).of_one_row
