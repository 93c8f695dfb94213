"""Round numbers along a range: where a slider stops. Pure arithmetic."""

from __future__ import annotations

import math

_STEPS = (1, 2, 5, 10)
_TINY = 1e-300  # steps below lose their digits
_WIDE = 30.0  # where the middle nine tenths span more, a logarithmic scale shows them better


def is_wide(low: float, high: float) -> bool:
    """Whether numbers between two positive ends are better seen on a logarithmic scale."""
    return low > 0.0 and high / low > _WIDE


def round_stops(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from just below `low` to just above `high`.

    Args:
        low: Lower end, finite.
        high: Upper end, finite and not below.
        most: So many at most.
        whole: Whether only whole numbers make sense.
    """
    if low == high:
        return [low]
    rough = (high - low) / max(1, most - 3)
    if rough < _TINY:
        return [low, high]
    step, digits = _step(rough)
    if whole and step < 1:
        step, digits = 1.0, 0
    first, last = math.floor(low / step), math.ceil(high / step)
    found = [round(number * step, digits) for number in range(first, last + 1)]
    # steps may be finer than numbers of this size are: then ends are rounded past those of the range
    return list(dict.fromkeys([min(low, found[0]), *found, max(high, found[-1])]))


def log_stops(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """Numbers of two digits, as many in each power of ten, from just below `low` to just above `high`.

    Args:
        low: Lower end, above 0.
        high: Upper end, finite and not below.
        most: So many at most.
        whole: Whether only whole numbers make sense.
    """
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high))
    if _scaled(10, first - 1) > low:  # the logarithm of what is just below a power is rounded to that power
        first -= 1
    powers = last - first + 1
    step = next((one for one in (1, 2, 5, 10, 30, 90) if 90 / one * powers <= most - 2), 90)
    some = max(1, -(-powers // max(1, most - 2)))  # where one of each power is too many
    found = []
    for power in range(first, last + 1, some):
        found += [_scaled(mantissa, power - 1) for mantissa in range(10, 100, step)]
    found.append(_scaled(10, last))
    kept = [one for one in dict.fromkeys(found) if not whole or one.is_integer()]
    start = max((at for at, one in enumerate(kept) if one <= low), default=0)
    stop = next((at for at, one in enumerate(kept) if one >= high), len(kept) - 1)
    return kept[start : stop + 1]


def _step(rough: float) -> tuple[float, int]:
    """The next larger step of the series, and the digits behind the point that it needs."""
    power = math.floor(math.log10(rough))
    mantissa = next(one for one in _STEPS if one * 10.0**power >= rough * (1 - 1e-9))
    digits = max(0, -power - (mantissa == 10))
    return float(f"{mantissa}e{power}"), digits


def _scaled(mantissa: int, power: int) -> float:
    return float(f"{mantissa}e{power}")  # read as written, so that no digit is off
