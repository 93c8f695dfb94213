"""Rules: SQL boolean expressions over the stored columns, checked by us before DuckDB sees them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

from nemo_curator.errors import RecipeError, nearest

# Everything a rule may be built of. What is not here (queries, casts to odd types, file and system functions,
# settings) is refused by name, so that a recipe from a stranger can only compare columns.
_ALLOWED = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg, exp.Not, exp.And, exp.Or,
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Is, exp.In, exp.Between,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Like, exp.ILike, exp.Case, exp.If, exp.DPipe,
    exp.Least, exp.Greatest, exp.Abs, exp.Sqrt, exp.Ln, exp.Log, exp.Exp, exp.Pow, exp.Round, exp.Floor, exp.Ceil,
    exp.Coalesce, exp.Nullif, exp.Lower, exp.Upper, exp.Length, exp.Trim, exp.StartsWith, exp.EndsWith, exp.Contains,
    exp.RegexpLike,
)  # fmt: skip
_QUANTILE = "quantile"
_COMPARISONS = {exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


@dataclass(frozen=True, slots=True)
class Quantile:
    """A `quantile(column, q)` in a rule.

    Attributes:
        column: The column.
        q: Share between 0 and 1.
    """

    column: str
    q: float


@dataclass(frozen=True, slots=True)
class Rule:
    """One named reason to reject.

    Attributes:
        name: Its name.
        text: The expression as written.
        columns: Columns that it reads.
        quantiles: Quantiles that must be known before it can be evaluated.
    """

    name: str
    text: str
    columns: frozenset[str]
    quantiles: frozenset[Quantile]

    def sql(self, quantiles: Mapping[Quantile, float | None]) -> str:
        """The expression in DuckDB's SQL, true for images to reject, with quantiles as numbers."""
        return _render(_parse(self.name, self.text), quantiles)

    def comparison(self, quantiles: Mapping[Quantile, float | None]) -> tuple[str, str] | None:
        """SQL of (score, threshold) where the rule is one comparison of an expression with a constant, else None."""
        tree = _parse(self.name, self.text).unnest()
        if type(tree) not in _COMPARISONS:
            return None
        left, right = tree.args["this"], tree.args["expression"]
        if not list(left.find_all(exp.Column)) or _is_quantile(left):
            left, right = right, left
        if _plain_columns(right) or not _plain_columns(left):
            return None
        return _render(left, quantiles), _render(right, quantiles)


def parse_rule(name: str, text: str, known: Collection[str], where: str = "") -> Rule:
    """Check a rule.

    Args:
        name: Its name.
        text: The expression.
        known: Names of all columns that it may read.
        where: Where it stands, for errors.

    Raises:
        RecipeError: It is no boolean SQL expression, uses what is not allowed, or names an unknown column.
    """
    tree = _parse(name, text, where)
    place = f"{where}: rule {name!r}" if where else f"rule {name!r}"
    quantiles: set[Quantile] = set()
    for node in tree.walk(prune=_is_quantile):
        if _is_quantile(node):
            quantiles.add(_quantile(node, place))
        elif not isinstance(node, _ALLOWED):
            raise RecipeError(
                f"{node.sql('duckdb')!r} is not allowed in a rule",
                where=place,
                act="compare columns and numbers; docs/reference/rules.md lists the functions",
            )
    columns = {column.name for column in tree.find_all(exp.Column)}
    lower = {column.lower(): column for column in known}
    for column in sorted(columns):
        if column.lower() not in lower:
            raise RecipeError(f"there is no column {column!r}", where=place, act=nearest(column, known))
    return Rule(name, text, frozenset(lower[column.lower()] for column in columns), frozenset(quantiles))


def _parse(name: str, text: str, where: str = "") -> exp.Expr:
    place = f"{where}: rule {name!r}" if where else f"rule {name!r}"
    try:
        statements = sqlglot.parse(text, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        problem = str(error).splitlines()[0].split(". Line")[0]
        raise RecipeError(f"{text!r} is not an SQL expression: {problem}", where=place) from None
    tree = statements[0] if len(statements) == 1 else None
    if tree is None:
        raise RecipeError(f"{text!r} is not one SQL expression", where=place)
    return tree


def _is_quantile(node: exp.Expr) -> bool:
    if isinstance(node, exp.Quantile):
        return True
    return isinstance(node, exp.Anonymous) and node.name.lower() == _QUANTILE


def _quantile(node: exp.Expr, place: str) -> Quantile:
    arguments = [node.this, node.args.get("quantile")] if isinstance(node, exp.Quantile) else node.expressions
    if len(arguments) == 2 and isinstance(arguments[0], exp.Column) and isinstance(arguments[1], exp.Literal):
        share = float(arguments[1].this) if not arguments[1].is_string else -1.0
        if 0.0 <= share <= 1.0:
            return Quantile(arguments[0].name, share)
    raise RecipeError(f"{node.sql('duckdb')!r} is no quantile", where=place, act="write quantile(column, 0.3)")


def _plain_columns(node: exp.Expr) -> bool:
    """Whether the value of an expression differs from image to image."""
    return any(isinstance(part, exp.Column) for part in node.walk(prune=_is_quantile))


def _render(tree: exp.Expr, quantiles: Mapping[Quantile, float | None]) -> str:
    def number(node: exp.Expr) -> exp.Expr:
        if not _is_quantile(node):
            return node
        value = quantiles[_quantile(node, "")]
        return exp.Null() if value is None else sqlglot.parse_one(f"CAST({value!r} AS DOUBLE)", read="duckdb")

    return tree.copy().transform(number).sql("duckdb")
