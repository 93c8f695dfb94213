"""Rules: SQL boolean expressions over the stored columns, checked by us before DuckDB sees them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from nemo_curator.errors import RecipeError, nearest
from nemo_curator.runs.deciding.computed import CAPTION_FREQUENCY, is_computed
from nemo_curator.runs.deciding.metadata_keys import Key, key_of

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
_ALLOWED_IN_WORDS = (
    "compare columns, numbers and texts with = <> < <= > >=, AND, OR, NOT, IN, BETWEEN, IS NULL, LIKE, ILIKE, "
    "+ - * / %, ||, CASE; and use least, greatest, abs, sqrt, ln, log, exp, pow, round, floor, ceil, coalesce, "
    "nullif, lower, upper, length, trim, starts_with, ends_with, contains, regexp_matches, "
    "quantile(column, q), rank(expression)"
)
_QUANTILE = "quantile"
_RANK = "rank"
_NUMBER = "number"
_METADATA = "metadata"
DUPLICATE_RULES = ("same_bytes", "same_pixels", "copy", "similar")
"""What decisions call the reasons of duplicates; where several hold, the first names one."""

PROTECT = "protect"
"""What decisions call a rejection because an image shows one of a protect set."""

RESERVED = ("allow", "deny", "sample", PROTECT, *DUPLICATE_RULES)
"""What decisions call their own reasons; no rule may bear one of these names."""
_MAX_TEXT = 4_000  # characters; a longer text is no rule that a person wrote, and deep nesting exhausts parsers
_NO_RANKS: Mapping[Rank, str] = MappingProxyType({})
_COMPARISONS = {exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}


@dataclass(frozen=True, slots=True)
class Quantile:
    """A `quantile(column, q)` in a rule.

    Attributes:
        column: The column, or a reference to a key of the metadata.
        q: Share between 0 and 1.
    """

    column: str
    q: float


@dataclass(frozen=True, slots=True)
class Rank:
    """A `rank(expression)` in a rule: 1 for the readable image where it is largest, ties by `image_id`.

    Attributes:
        expression: The expression, as SQL.
    """

    expression: str

    def sql(self, quantiles: Mapping[Quantile, float | None]) -> str:
        """The expression to rank by, with quantiles as numbers."""
        return rendered(parsed(self.expression), quantiles, {})


@dataclass(frozen=True, slots=True)
class Rule:
    """One named reason to reject.

    Attributes:
        name: Its name.
        text: The expression as written.
        columns: Columns that it reads; keys of the metadata as `metadata.key`.
        quantiles: Quantiles that must be known before it can be evaluated.
        ranks: Ranks that must be known before it can be evaluated.
        where: Where it stands, for errors.
    """

    name: str
    text: str
    columns: frozenset[str]
    quantiles: frozenset[Quantile]
    ranks: frozenset[Rank] = frozenset()
    where: str = ""

    @property
    def of_one_row(self) -> bool:
        """Whether one image's row is all that it needs."""
        return not (self.quantiles or self.ranks or any(map(is_computed, self.columns)))

    @property
    def figured(self) -> frozenset[str]:
        """Columns whose values in all images it asks about, in quantiles and ranks."""
        nodes = (node for rank in self.ranks for node in parsed(rank.expression).find_all(exp.Column))
        names = {_same(node.name) for node in nodes} | {_same(one.column) for one in self.quantiles}
        return frozenset(column for column in self.columns if _same(column) in names)

    @property
    def place(self) -> str:
        """Where it stands and what it says, for errors."""
        return f"{self.where or f'rule {self.name!r}'} ({self.text})"

    def sql(self, quantiles: Mapping[Quantile, float | None], ranks: Mapping[Rank, str] = _NO_RANKS) -> str:
        """The expression in DuckDB's SQL, true for images to reject, with quantiles as numbers, ranks as given SQL."""
        return rendered(parsed(self.text), quantiles, ranks)

    def comparison(
        self, quantiles: Mapping[Quantile, float | None], ranks: Mapping[Rank, str] = _NO_RANKS
    ) -> tuple[str, str] | None:
        """SQL of (score, threshold) where the rule is one comparison of an expression with a constant, else None."""
        tree = parsed(self.text).unnest()
        if type(tree) not in _COMPARISONS:
            return None
        left, right = tree.args["this"], tree.args["expression"]
        if not list(left.find_all(exp.Column)) or is_quantile(left):
            left, right = right, left
        if differs(right) or not differs(left):
            return None
        return rendered(left, quantiles, ranks), rendered(right, quantiles, ranks)


def parse_rule(name: str, text: str, known: Collection[str], where: str = "") -> Rule:
    """Check a rule.

    Args:
        name: Its name.
        text: The expression.
        known: Names of all columns that it may read.
        where: Where it stands, for errors.

    Raises:
        RecipeError: It is no SQL expression, uses what is not allowed, names an unknown column, or has a name that
            decisions use themselves.
    """
    place = f"{where}: rule {name!r}" if where else f"rule {name!r}"
    if name in RESERVED:
        raise RecipeError(f"{name!r} is a reason of our own, and no name for a rule", where=place, act="rename it")
    lower = {CAPTION_FREQUENCY: CAPTION_FREQUENCY} | {column.lower(): column for column in known}
    try:
        tree = parsed(text, place)
        columns = {_known_column(column, lower, place) for column in tree.find_all(exp.Column)}
        nodes = list(_checked_nodes(tree, place))
        found = [quantile for node in nodes if (quantile := _quantile(node, place))]
        quantiles = {Quantile(lower.get(one.column.lower(), one.column), one.q) for one in found}
        ranks = {rank for node in nodes if (rank := _rank(node, place))}
        rule = Rule(name, text, frozenset(columns), frozenset(quantiles), frozenset(ranks), place)
        rule.sql(dict.fromkeys(quantiles, 0.0), dict.fromkeys(ranks, "NULL"))
    except RecursionError:
        raise RecipeError("the expression is nested too deeply", where=place, act="write it in a simpler way") from None
    return rule


def _checked_nodes(tree: exp.Expr, place: str) -> Iterator[exp.Expr]:
    """All nodes but those inside a quantile, if a rule may be built of them."""
    for node in tree.walk(prune=is_quantile):
        known = is_quantile(node) or is_rank(node) or _is_number(node) or isinstance(node, _ALLOWED)
        if not known:
            raise RecipeError(
                f"{node.sql('duckdb', comments=False)!r} is not allowed in a rule",
                where=place,
                act=_ALLOWED_IN_WORDS,
            )
        yield node


def _known_column(column: exp.Column, lower: Mapping[str, str], place: str) -> str:
    if key_of(column.name) and _METADATA in lower:
        return column.name
    if column.name.lower() not in lower:
        quoted = isinstance(column.this, exp.Identifier) and column.this.quoted
        text = "'" + column.name.replace("'", "''") + "'"
        act = f"text stands in single quotes: {text}" if quoted else nearest(column.name, lower.values())
        raise RecipeError(f"there is no column {column.name!r}", where=place, act=act)
    if column.table:
        written = column.sql("duckdb", comments=False)
        raise RecipeError(f"{written!r} names a table", where=place, act=f"write {column.name!r} alone")
    if column.name.startswith("__"):
        raise RecipeError(f"{column.name!r} begins like our own columns", where=place, act="rename the score")
    return lower[column.name.lower()]


def parsed(text: str, place: str = "") -> exp.Expr:
    """One SQL expression as a tree, in which a key of the metadata is one column under its written name.

    Raises:
        RecipeError: It is none.
    """
    if len(text) > _MAX_TEXT:
        raise RecipeError(f"the expression is longer than {_MAX_TEXT} characters", where=place)
    try:
        parsed = _parsed_once(text)
    except sqlglot.errors.ParseError as error:
        near = error.errors[0].get("highlight") if error.errors else ""
        problem = f"it goes wrong at {near!r}" if near else "it is not complete"
        raise RecipeError(f"{text!r} is not an SQL expression: {problem}", where=place) from None
    except sqlglot.errors.SqlglotError:
        raise RecipeError(f"{text!r} is not an SQL expression: a quote is not closed", where=place) from None
    tree = parsed[0] if len(parsed) == 1 else None
    if tree is None:
        raise RecipeError(f"{text!r} is not one SQL expression", where=place)
    return tree.transform(_joined)  # a copy


@lru_cache(maxsize=256)
def _parsed_once(text: str) -> list[exp.Expr | None]:
    """Every expression of a text: a rule is looked at a dozen times while a run is planned and decided."""
    return list(Dialect.get_or_raise("duckdb").parse_into(exp.Condition, text))


def _joined(node: exp.Expr) -> exp.Expr:
    """`metadata.exif.make` as one column of that name; every other node as it is."""
    if not isinstance(node, exp.Column | exp.Dot):
        return node
    first, *path = node.parts
    if path and first.name.lower() == _METADATA and all(isinstance(part, exp.Identifier) for part in (first, *path)):
        return _column(Key(tuple(part.name for part in path)).written)
    key = key_of(node.name) if isinstance(node, exp.Column) and not path else None
    return _column(key.written) if key else node


def _column(name: str) -> exp.Column:
    return exp.Column(this=exp.to_identifier(name, quoted=True))


def is_quantile(node: exp.Expr) -> bool:
    """Whether a node is a call of `quantile`."""
    if isinstance(node, exp.Quantile):
        return True
    return isinstance(node, exp.Anonymous) and node.name.lower() == _QUANTILE


def _quantile(node: exp.Expr, place: str = "") -> Quantile | None:
    """The quantile that a node is, or None where it is another kind of node."""
    if not is_quantile(node):
        return None
    arguments = [node.this, node.args.get("quantile")] if isinstance(node, exp.Quantile) else node.expressions
    if len(arguments) == 2 and isinstance(arguments[0], exp.Column) and isinstance(arguments[1], exp.Literal):
        share = float(arguments[1].this) if not arguments[1].is_string else -1.0
        if 0.0 <= share <= 1.0:
            return Quantile(arguments[0].name, share)
    raise RecipeError(f"{node.sql('duckdb')!r} is no quantile", where=place, act="write quantile(column, 0.3)")


def is_rank(node: exp.Expr) -> bool:
    """Whether a node is a call of `rank`."""
    if isinstance(node, getattr(exp, "Rank", ())):  # newer parsers know it by itself
        return True
    return isinstance(node, exp.Anonymous) and node.name.lower() == _RANK


def _rank(node: exp.Expr, place: str = "") -> Rank | None:
    """The rank that a node is, or None where it is another kind of node."""
    if not is_rank(node):
        return None
    written = node.sql("duckdb", comments=False)
    if len(node.expressions) != 1 or not list(node.find_all(exp.Column)):
        raise RecipeError(f"{written!r} is no rank", where=place, act="write rank(column), or rank(an expression)")
    inner: exp.Expr = node.expressions[0]
    if any(is_rank(part) for part in inner.walk()):
        raise RecipeError(f"{written!r} is a rank of a rank", where=place, act="rank by what the inner one ranks by")
    return Rank(inner.sql("duckdb", comments=False))


def _is_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == _NUMBER and len(node.expressions) == 1


def _number(argument: exp.Expr) -> exp.Expr:
    """A value as a number; NULL where it is a text that is none."""
    cast = exp.TryCast(this=argument, to=exp.DataType.build("DOUBLE"))
    return exp.Nullif(this=cast, expression=exp.cast(exp.Literal.string("NaN"), "DOUBLE"))


def _same(column: str) -> str:
    """Equal for two names of one column: keys are told apart by case, columns are not."""
    return column if key_of(column) else column.lower()


def differs(node: exp.Expr) -> bool:
    """Whether the value of an expression differs from image to image."""
    return any(isinstance(part, exp.Column) for part in node.walk(prune=is_quantile))


def _is_huge(node: exp.Expr) -> bool:
    """Whether it is an integer beyond 128 bits, which columns cannot be compared with."""
    return isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit() and int(node.this) >> 127 > 0


def rendered(tree: exp.Expr, quantiles: Mapping[Quantile, float | None], ranks: Mapping[Rank, str]) -> str:
    """A tree as DuckDB's SQL over `records`, with quantiles as numbers and ranks as given SQL."""
    values = {(_same(one.column), one.q): value for one, value in quantiles.items()}

    def known(node: exp.Expr) -> exp.Expr:
        if rank := _rank(node):
            return exp.maybe_parse(ranks[rank], dialect="duckdb")
        if _is_number(node):
            return _number(node.expressions[0].transform(known))
        if isinstance(node, exp.Column) and (key := key_of(node.name)):
            return _column(key.column)
        quantile = _quantile(node)
        if quantile is None:
            return exp.cast(exp.Literal.string(node.this), "DOUBLE") if _is_huge(node) else node
        value = values[_same(quantile.column), quantile.q]
        return exp.Null() if value is None else exp.cast(exp.Literal.string(repr(value)), "DOUBLE")

    return tree.copy().transform(known).sql("duckdb", comments=False)
