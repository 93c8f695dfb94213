"""Deciding in plain Python, a row at a time: what the real thing must agree with."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
Answer = bool | None


def below(value: Any, limit: Any) -> Answer:
    """`value < limit`, as SQL has it."""
    return None if value is None or limit is None else value < limit


def either(left: Answer, right: Answer) -> Answer:
    """`left or right`, as SQL has it."""
    if left or right:
        return True
    return None if left is None or right is None else False


def quantile(rows: list[Row], column: str, share: str) -> Any:
    """The smallest value that at least a share of the readable, known ones do not exceed."""
    known = sorted(one[column] for one in rows if not one["error"] and one[column] is not None)
    return known[max(1, math.ceil(Fraction(share) * len(known))) - 1] if known else None


def ranks(rows: list[Row], value: Callable[[Row], Any]) -> dict[str, int]:
    """Id to rank: 1 for the largest value, ties by id."""
    valued = [(value(one), one["image_id"]) for one in rows if not one["error"]]
    known = [pair for pair in valued if pair[0] is not None and not math.isnan(pair[0])]
    by_id = sorted(known, key=lambda pair: pair[1].encode())
    return {name: at + 1 for at, (_, name) in enumerate(sorted(by_id, key=lambda pair: -pair[0]))}


def summed(one: Row) -> Any:
    """`a + b`."""
    return None if one["a"] is None or one["b"] is None else one["a"] + one["b"]


# text of a rule → what it says of a row, given all rows
RULES: dict[str, Callable[[Row, list[Row]], Answer]] = {
    "a < 1": lambda one, _: below(one["a"], 1),
    "b > 2": lambda one, _: below(2, one["b"]),
    "flag": lambda one, _: one["flag"],
    "flag or a < 1": lambda one, _: either(one["flag"], below(one["a"], 1)),
    "a < quantile(a, 0.5)": lambda one, rows: below(one["a"], quantile(rows, "a", "0.5")),
    "b <= quantile(b, 0.3)": lambda one, rows: below(one["b"], (quantile(rows, "b", "0.3") or 0) + 1),
    "rank(a) < 3": lambda one, rows: below(ranks(rows, lambda other: other["a"]).get(one["image_id"]), 3),
    "rank(a + b) > 4": lambda one, rows: below(4, ranks(rows, summed).get(one["image_id"])),
    "rank(-b) < 2 or flag": lambda one, rows: either(
        below(ranks(rows, lambda other: None if other["b"] is None else -other["b"]).get(one["image_id"]), 2),
        one["flag"],
    ),
    "true": lambda *_: True,
    "null": lambda *_: None,
}


def md5(seed: int, key: str) -> str:
    """The hex digest that draws and divides."""
    return hashlib.md5(f"{seed}:{key}".encode(), usedforsecurity=False).hexdigest()


def side(shares: list[tuple[str, float]], seed: int, key: str) -> str:
    """The share that a key falls into."""
    at = Fraction(int(md5(seed, key)[:13], 16), 2**52)
    used = [(name, Fraction(str(share))) for name, share in shares if share > 0]
    whole = sum(share for _, share in used)
    end = Fraction(0)
    for name, share in used:
        end += share / whole
        if at < Fraction(float(end)):
            return name
    return used[-1][0]


def shared_out(wanted: int, sizes: dict[Any, int]) -> dict[Any, int]:
    """A number divided in proportion, by largest remainder; equal remainders in the order of the values, None last."""
    total = sum(sizes.values())
    if not total:
        return {}
    whole = {value: wanted * size // total for value, size in sizes.items()}
    order = sorted(sizes, key=lambda value: (-(wanted * sizes[value] % total), value is None, value or 0))
    for value in order[: wanted - sum(whole.values())]:
        whole[value] += 1
    return whole


def drawn(rows: list[Row], allowed: set[str], wanted: int, seed: int, by: str | None) -> set[str]:
    """Ids of a sample: allowed ones first, then the rest in proportion, each in the order of its MD5."""
    chosen: set[str] = set()
    for group in (
        [one for one in rows if one["image_id"] in allowed],
        [one for one in rows if one["image_id"] not in allowed],
    ):
        strata: dict[Any, list[Row]] = defaultdict(list)
        for one in group:
            strata[one[by] if by else None].append(one)
        number = min(max(wanted - len(chosen), 0), len(group))
        for value, quota in shared_out(number, {value: len(found) for value, found in strata.items()}).items():
            ordered = sorted(strata[value], key=lambda one: md5(seed, one["image_id"]))
            chosen |= {one["image_id"] for one in ordered[:quota]}
    return chosen


def best_of(rows: list[Row], allowed: set[str], prefer: str | None) -> Row:
    """The image that stands for all with its bytes."""

    def worth(one: Row) -> tuple[Any, ...]:
        value = one[prefer] if prefer else None
        return (one["image_id"] not in allowed, value is None, -(value or 0), one["image_id"].encode())

    return min(rows, key=worth)


def verdicts(
    rows: list[Row],
    rules: list[str],
    *,
    allow: set[str] = frozenset(),
    deny: set[str] = frozenset(),
    prefer: str | None = None,
    duplicates: bool = True,
    sample: tuple[int, int, str | None] | None = None,
) -> dict[str, tuple[str, str | None, str | None, list[str] | None]]:
    """Id to (verdict, rule, duplicate_of, undecided)."""
    found: dict[str, tuple[str, str | None, str | None, list[str] | None]] = {}
    alive: list[Row] = []
    undecided: dict[str, list[str] | None] = {}
    for one in rows:
        name = one["image_id"]
        if one["error"]:
            found[name] = ("quarantine", None, None, None)
            continue
        asked = rules if name in deny or name not in allow else []
        answers = [(f"r{at}", RULES[text](one, rows)) for at, text in enumerate(asked)]
        undecided[name] = [rule for rule, answer in answers if answer is None] or None
        matching = ["deny"] * (name in deny) + [rule for rule, answer in answers if answer]
        if matching:
            found[name] = ("reject", matching[0], None, undecided[name])
        else:
            alive.append(one)
    groups: dict[str, list[Row]] = defaultdict(list)
    for one in alive:
        groups[one["sha256"] if duplicates and one["sha256"] else f"id {one['image_id']}"].append(one)
    best = {
        one["image_id"]: best_of(group, allow - deny, prefer)["image_id"] for group in groups.values() for one in group
    }
    left = [one for one in alive if best[one["image_id"]] == one["image_id"]]
    inside = {one["image_id"] for one in left}
    if sample:
        inside = drawn(left, allow - deny, *sample)
    for one in alive:
        name = one["image_id"]
        if best[name] not in inside:
            found[name] = ("reject", "sample", None, undecided[name])
        elif best[name] != name:
            found[name] = ("duplicate", "same_bytes", best[name], undecided[name])
        else:
            found[name] = ("keep", "allow" if name in allow - deny else None, None, undecided[name])
    return found
