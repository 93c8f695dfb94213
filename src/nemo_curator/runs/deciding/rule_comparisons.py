"""The comparisons inside a rule: what differs from image to image on one side, what does not on the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from nemo_curator.runs.deciding.metadata_keys import key_of
from nemo_curator.runs.deciding.rules import (
    Quantile,
    Rank,
    Rule,
    differs,
    is_quantile,
    is_rank,
    parsed,
    rendered,
)

_ORDERED = (exp.LT, exp.LTE, exp.GT, exp.GTE)
_EQUAL = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ)


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison of a value with constants.

    Attributes:
        value: SQL of what differs from image to image.
        written: The same as a person reads it.
        operator: `<` for all four orders, `=` for equal and unequal, `in`, `between`.
        constants: SQL of what it is compared with; none where that differs from image to image too, or follows the data
            (a quantile, a rank).
        shown: The constants as written.
    """

    value: str
    written: str
    operator: Literal["<", "=", "in", "between"]
    constants: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()


def comparisons(rule: Rule, quantiles: Mapping[Quantile, float | None], ranks: Mapping[Rank, str]) -> list[Compared]:
    """Every comparison in a rule, those inside a rank left out, each value as often as it is compared.

    Args:
        rule: The rule.
        quantiles: Quantile to its value.
        ranks: Rank to the SQL that stands for it.
    """
    found: list[Compared] = []
    for node in parsed(rule.text).walk(bfs=False, prune=is_rank):
        for value, operator, others in _sides(node):
            fixed = not any(differs(one) or _follows(one) for one in others) and not _follows(value)
            constants = others if fixed else []
            found.append(
                Compared(
                    rendered(value, quantiles, ranks),
                    as_written(value),
                    operator,
                    tuple(rendered(one, quantiles, ranks) for one in constants),
                    tuple(as_written(one) for one in constants),
                )
            )
    return found


def as_written(node: exp.Expr) -> str:
    """An expression as a person writes it: keys of the metadata without quotes around them."""

    def plain(one: exp.Expr) -> exp.Expr:
        key = key_of(one.name) if isinstance(one, exp.Column) else None
        return exp.Column(this=exp.Var(this=key.written)) if key else one

    return node.copy().transform(plain).sql("duckdb", comments=False, normalize_functions="lower")


def _sides(node: exp.Expr) -> Iterator[tuple[exp.Expr, Literal["<", "=", "in", "between"], list[exp.Expr]]]:
    """(value, operator, what it is compared with) of a comparison, nothing of another node."""
    if isinstance(node, exp.Between):
        if differs(node.this):
            yield node.this, "between", [node.args["low"], node.args["high"]]
    elif isinstance(node, exp.In):
        if differs(node.this):
            yield node.this, "in", list(node.expressions)
    elif isinstance(node, (*_ORDERED, *_EQUAL)):
        operator: Literal["<", "="] = "<" if isinstance(node, _ORDERED) else "="
        left, right = node.this, node.expression
        if differs(left):
            yield left, operator, [right]
        if differs(right) and (not differs(left) or left != right):
            yield right, operator, [left]


def _follows(node: exp.Expr) -> bool:
    """Whether a quantile or rank is in it, which follow the data wherever they lie."""
    return any(is_quantile(part) or is_rank(part) for part in node.walk())
