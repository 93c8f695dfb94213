"""Threshold sense: rules whose thresholds do not fit what was seen, told with the quantiles.

A threshold of 0.5 on a scale from 1 to 10 rejects nothing or everything, and nobody notices unless somebody says so.
Smallest and largest values of everything that is compared are found in one pass; quantiles, which take a sort that may
go to the disk, only for rules that there is something to say of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from nemo_curator.runs.deciding.connection import first_row
from nemo_curator.runs.deciding.figures import Figures
from nemo_curator.runs.deciding.metadata_keys import column_sql
from nemo_curator.runs.deciding.rule_comparisons import Compared, comparisons
from nemo_curator.runs.deciding.rules import Rule
from nemo_curator.runs.deciding.seen import Seen, Values

Kind = Literal["nothing", "everything", "no value", "range"]
_ENDINGS = {"nothing": " rejects nothing", "everything": " rejects every image"}
_MOST = 3  # values that one sentence describes
_LONGEST = 200  # characters of a rule


@dataclass(frozen=True, slots=True)
class RuleWarning:
    """What is odd about a rule.

    Attributes:
        rule: Its name.
        kind: `nothing` or `everything`: what it rejects by itself; `no value`: what it compares is missing everywhere;
            `range`: it rejects some, and one of its constants is outside of what was seen.
        text: One sentence, with the quantiles of what it compares.
    """

    rule: str
    kind: Kind
    text: str


def threshold_warnings(
    connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule], known: Figures
) -> tuple[RuleWarning, ...]:
    """What is odd about the thresholds of some rules, at most one warning a rule, in their order.

    Args:
        connection: A database with `records` and `judged`.
        rules: The rules that were judged.
        known: Their quantiles and ranks.
    """
    endings = _endings(connection, len(rules)) if rules else []
    compared = [comparisons(rule, known.quantiles, known.ranks) for rule in rules]
    values = Values(connection, f"FROM records{known.joins}")
    if not endings or not values.survey([one for each in compared for one in each]):
        return ()
    found = map(_warning, rules, endings, compared, [values] * len(rules))
    return tuple(warning for warning in found if warning)


def _endings(connection: duckdb.DuckDBPyConnection, rules: int) -> list[Kind | None]:
    """Of each rule whether it rejects nothing or everything of what it was asked about; none where that is nothing."""
    figures = ", ".join(f"count(*) FILTER (__rule_{at})" for at in range(rules))
    asked, *matches = first_row(connection, f"SELECT count(*) FILTER (__asked), {figures} FROM judged")
    if not asked:
        return []
    return [None if 0 < one < asked else "everything" if one else "nothing" for one in matches]


def _warning(rule: Rule, ending: Kind | None, compared: Sequence[Compared], values: Values) -> RuleWarning | None:
    odd = {one: said for one in compared if (said := _odd(one, values.of(one), single=len(compared) == 1))}
    if not odd and ending is None:
        return None
    kind: Kind = ending or "range"
    if odd and kind != "everything" and not any(values.of(one).count for one in odd):
        kind = "no value"
    columns = [Compared(column_sql(one), one, "<") for one in sorted(rule.columns)]
    described = dict.fromkeys(said for one in list(odd) or list(compared) or columns if (said := values.described(one)))
    text = " ".join(rule.text.split())
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    because = f": {' and '.join(dict.fromkeys(list(odd.values())[:_MOST]))}" if odd else ""
    details = "".join(f"; {said}" for said in list(described)[:_MOST])
    return RuleWarning(rule.name, kind, f"rule {rule.name} ({text}){_ENDINGS.get(ending or '', '')}{because}{details}")


def _odd(compared: Compared, seen: Seen, *, single: bool) -> str:
    """What is odd about one comparison, in words; "" where its constants lie among what was seen."""
    if seen.kind != "other" and not seen.count:
        return f"no image has a value of {compared.written}"
    if seen.kind == "text" and seen.hits.get(compared.constants) == 0:
        return f"no image has {compared.written} = {' or '.join(compared.shown[:_MOST])}"
    constants = [one for name in compared.constants if (one := seen.constants.get(name)) is not None]
    if seen.low is None or seen.high is None or not constants or len(constants) < len(compared.constants):
        return ""
    return _outside(compared, constants, seen.low, seen.high, single=single)


def _outside(compared: Compared, constants: Sequence[float], lowest: float, highest: float, *, single: bool) -> str:
    """How constants lie that are not among the numbers that were seen, in words; else ""."""
    if compared.operator == "between" and constants[0] > constants[1]:
        return f"nothing lies between {_listed(compared)}, the larger of which stands first"
    low, high = min(constants), max(constants)
    whose = "" if single else f" of {compared.written}"
    if low > highest or high < lowest:
        subject = "its threshold" if single and len(constants) == 1 else _listed(compared)
        side = "above" if low > highest else "below"
        return f"{subject} {'is' if len(constants) == 1 else 'are'} {side} all seen values{whose}"
    if compared.operator == "between" and low < lowest and highest < high:
        return f"all seen values{whose} lie between {_listed(compared)}"
    return ""


def _listed(compared: Compared) -> str:
    return " and ".join(compared.shown[:_MOST])
