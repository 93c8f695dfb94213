"""Rules: what is allowed, what is refused, and what they mean."""

from __future__ import annotations

import tempfile

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.runs.tables import SCHEMA, made_run, row

from nemo_curator.errors import RecipeError
from nemo_curator.runs.deciding import Policy, Quantile, check_policy, decide, parse_rule

KNOWN = SCHEMA.names

ALLOWED = [
    "a < 3", "a <= b", "3 > a", "a = b", "a <> b", "a != b", "a is null", "a is not null", "flag", "not flag",
    "a between 1 and 2", "b in (1, 2)", "b not in (1, 2)", "a < 1 and b < 1 or flag", "(a < 1)", "-a < 3", "+a < 3",
    "a + b * 2 - b / 3 < b % 2", "least(width, height) < 64", "greatest(a, b) > 1", "abs(a) > 1", "sqrt(abs(a)) > 1",
    "ln(b) > 1", "log(b) > 1", "log(2, b) > 1", "exp(a) > 1", "pow(a, 2) > 1", "a ** 2 > 1", "round(a) > 1",
    "round(a, 1) > 1", "floor(a) > 1", "ceil(a) > 1", "coalesce(a, 1) > 1", "nullif(a, 1) > 1", "lower(word) = 'a'",
    "upper(word) = 'A'", "length(word) < 3", "trim(word) = ''", "starts_with(word, 'a')", "ends_with(word, 'a')",
    "contains(word, 'a')", "regexp_matches(word, '^a+$')", "word like 'a%'", "word not ilike 'A%'",
    "word || 'x' = 'ax'",
    "case when a < 1 then flag else true end", "if(a < 1, true, false)", "a is distinct from b", "word = 'it''s'",
    "a < 3 -- a note", "a /* a note */ < 3", "WIDTH < 3", '"width" < 3', "true", "null", "null > 3", "a < 1e400",
    "a < quantile(a, 0.3)", "b > quantile(b, 0)", "a < quantile(a, 1) - quantile(a, 0.5)", "caption is null",
]  # fmt: skip

REFUSED = [
    "", " ", ";", "a <", "a < 1;b < 1", "a < 1; drop table records", "drop table records", "select 1", "(select 1) = 1",
    "a in (select 1)", "exists(select 1)", "a < all(select 1)", "a < any(select b from records)", "read_text('x') = ''",
    "read_csv('x')", "read_parquet('x')", "glob('*') = ''", "getenv('HOME') = ''", "current_setting('x') = ''",
    "pragma version", "attach 'x'", "copy records to 'x'", "set x = 1", "call x()", "install httpfs", "load 'x'",
    "random() < 0.5", "now() > null", "nextval('x') > 1", "query('select 1')", "a::json is null", "cast(a as int) > 1",
    "a < 1 as x", "*", "columns(*) > 1", "count(*) > 1", "sum(a) > 1", "row_number() over () > 1", "sum(a) over () > 1",
    "$1", "?", ":a", "{{a}} > 1", "{'a': a} is null", "[a] is null", "members[1] is null", "list_sum([a]) > 1",
    "a -> b", "lambda x: x", "a < quantile(a)", "a < quantile(a, 2)", "a < quantile(a, -0.1)",
    "a < quantile(a + 1, 0.5)",
    "a < quantile(a, b)", "a < quantile('a', 0.5)", "a < quantile(nothing, 0.5)", "nothing < 1", "records.a < 1",
    "a < 'open", 'a < "open', "a < 1)", "((a < 1)", "a b", "a, b", "format('{}', a) = ''", "a < 1 union select 1",
    "word similar to 'a'", "unnest([1]) = 1", "a < 1 limit 1", "with x as (select 1) select true",
]  # fmt: skip


@pytest.mark.parametrize("text", ALLOWED)
def test_allowed(text):
    """Comparisons, arithmetic and the listed functions are booleans on the columns of a run."""
    check_policy(Policy((parse_rule("r", text, KNOWN),)), SCHEMA)


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    """Whatever could read, write or look beyond one row is refused, with the rule's name, before DuckDB sees it."""
    with pytest.raises(RecipeError) as caught:
        parse_rule("my rule", text, KNOWN, where="recipe.yaml, line 3")
    assert str(caught.value).startswith("recipe.yaml, line 3: rule 'my rule'")


@pytest.mark.parametrize("text", ["a", "a + 1", "word", "1", "'true'", "case when flag then 1 end", "members"])
def test_not_boolean(text):
    """An expression that is no truth value is refused with its type."""
    rule = parse_rule("r", text, KNOWN)
    with pytest.raises(RecipeError, match="not true or false"):
        check_policy(Policy((rule,)), SCHEMA)


@pytest.mark.parametrize("text", ["(" * 600 + "a" + ")" * 600 + " < 1", "not " * 900 + "flag", "a" * 5000 + " < 1"])
def test_depth_and_length(text):
    """An expression too long or too deep for a parser is a recipe error, never a crash, and not repeated at length."""
    with pytest.raises(RecipeError) as caught:
        check_policy(Policy((parse_rule("r", text, KNOWN),)), SCHEMA)
    assert "nested too deeply" in str(caught.value) or "is longer than" in str(caught.value)
    assert len(caught.value.what) < 200


def test_columns_and_quantiles():
    """A rule knows the columns that it reads, in their own spelling, also inside quantiles."""
    rule = parse_rule("r", "A < quantile(WIDTH, 0.25) or Flag", KNOWN)
    assert rule.columns == {"a", "width", "flag"}
    assert rule.quantiles == {Quantile("width", 0.25)}


def test_quantiles_become_numbers():
    """Known quantiles are put in as numbers, whatever number; an unknown one as NULL."""
    rule = parse_rule("r", "a < quantile(a, 0.5)", KNOWN)
    for value in (0.1, -3.0, float("inf"), 1e300, None):
        sql = rule.sql({Quantile("a", 0.5): value})
        got = duckdb.execute(f"SELECT {sql} FROM (SELECT 2.0 AS a)").fetchall()  # noqa: S608
        assert got == [(None if value is None else value > 2.0,)]


COMPARISONS = {
    "a < 3": ("a", "3"),
    "(a >= 3)": ("a", "3"),
    "3 > a": ("a", "3"),
    "a * 2 < 3 + 1": ("a * 2", "3 + 1"),
    "least(width, height) < 64": ("LEAST(width, height)", "64"),
    "a < quantile(a, 0.5)": ("a", "CAST('7.0' AS DOUBLE)"),
    "quantile(a, 0.5) > a": ("a", "CAST('7.0' AS DOUBLE)"),
    "a < b": None,
    "a = 3": None,
    "not a < 3": None,
    "a < 3 or a > 5": None,
    "1 < 2": None,
    "flag": None,
}


@pytest.mark.parametrize("text", COMPARISONS)
def test_score_and_threshold(text):
    """Of one comparison with a constant, the score is the side with columns and the threshold the other one."""
    assert parse_rule("r", text, KNOWN).comparison({Quantile("a", 0.5): 7.0}) == COMPARISONS[text]


_WORDS = st.sampled_from(
    [*KNOWN, "quantile", "rank", "rank(a)",
     "least", "select", "from", "records", "where", "(", ")", ",", ";", "'", '"', "--", "/*", "*/",
     "<", ">", "=", "and", "or", "not", "in", "is", "null", "1", "0.5", "'x'", "case", "when", "then", "end", "::", "[",
     "]", "{", "}", "$", "?", "*", "over", "union", "drop", "read_text", "\\", "\n", "\0", "like", "between", "pragma"]
)  # fmt: skip
_TEXTS = st.text(max_size=60) | st.lists(_WORDS, max_size=12).map(" ".join) | st.lists(_WORDS, max_size=12).map("".join)


@settings(max_examples=250)
@given(text=_TEXTS, name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
@example(text="a < 'x\0y'", name="r")
@example(text="b < 99999999999999999999999999999999999999999", name="r")
@example(text="b < 9223372036854775808 or b > -170141183460469231731687303715884105729", name="r")
@example(text="word = '\\'", name="'); drop table records; --")
def test_any_text_is_a_rule_or_a_recipe_error(text, name):
    """Whatever is written, it is a rule that decides on any rows, or a RecipeError: nothing else."""
    try:
        rule = parse_rule(name, text, KNOWN)
        check_policy(Policy((rule,)), SCHEMA)
        with tempfile.TemporaryDirectory() as folder:
            run, ids = made_run(folder, [row("x", a=1.5, b=2**62, word="("), row("y", flag=True), row("z", error="e")])
            funnel = decide(run, ids, Policy((rule,), duplicate_bytes=False), write=False)
    except RecipeError:
        return
    assert (funnel.inputs, funnel.quarantined) == (3, {"e": 1})
    assert funnel.kept == 2 - funnel.alone[name]


def test_text_in_double_quotes_is_told_how_text_is_written():
    """Double quotes name a column in SQL; who meant text is shown the single quotes."""
    with pytest.raises(RecipeError, match=r"text stands in single quotes: 'it''s a dress'"):
        parse_rule("r", '''word = "it's a dress"''', KNOWN)


def test_what_is_allowed_is_told_in_the_message():
    """A refusal names the operators and functions, for who has no documentation at hand; each named one is allowed."""
    with pytest.raises(RecipeError, match="'width << 64' is not allowed in a rule") as caught:
        parse_rule("small", "width << 64", KNOWN)
    assert "docs/" not in str(caught.value)
    for function in ("least", "coalesce", "regexp_matches", "quantile(column, q)", "rank(expression)", "IS NULL"):
        assert function in str(caught.value)
    functions = str(caught.value).partition("use ")[2].split(", quantile")[0].split(", ")
    assert all(any(f"{function}(" in rule for rule in ALLOWED) for function in functions)
