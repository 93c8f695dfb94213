"""A rule that is one comparison with a constant, taken apart: what people change when they change a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from nemo_curator.runs.deciding.rule_comparisons import as_written
from nemo_curator.runs.deciding.rules import Quantile, Rule, differs, is_quantile, parsed, rendered

_OPERATORS: dict[type[exp.Expr], str] = {exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class OneComparison:
    """A rule as `value operator threshold`, whichever side it was written on.

    Attributes:
        column: Name of the column that the value is, or "" where it is an expression.
        value: SQL of the value over `records`.
        written: The value as a person writes it.
        operator: `<`, `<=`, `>` or `>=`; it is true of images to reject.
        threshold: SQL of the constant, with quantiles as numbers.
        moving: Whether the constant follows the data, as a quantile does.
    """

    column: str
    value: str
    written: str
    operator: str
    threshold: str
    moving: bool


def one_comparison(rule: Rule, quantiles: Mapping[Quantile, float | None]) -> OneComparison | None:
    """What a rule compares; None where it says more than one thing, or asks for a rank.

    Args:
        rule: The rule.
        quantiles: Quantile to its value, for those that it asks for.
    """
    tree = parsed(rule.text).unnest()
    if rule.ranks or type(tree) not in _OPERATORS:
        return None
    left, right, operator = tree.args["this"].unnest(), tree.args["expression"].unnest(), _OPERATORS[type(tree)]
    if not differs(left):
        left, right, operator = right, left, _TURNED[operator]
    if differs(right) or not differs(left):
        return None
    return OneComparison(
        column=left.name if isinstance(left, exp.Column) else "",
        value=rendered(left, quantiles, {}),
        written=as_written(left),
        operator=operator,
        threshold=rendered(right, quantiles, {}),
        moving=any(is_quantile(node) for node in right.walk()),
    )
