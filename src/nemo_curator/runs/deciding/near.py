"""Which pairs of near images a policy needs, and up to which distance."""

from __future__ import annotations

from dataclasses import dataclass

from nemo_curator.runs.deciding.policy import Alike
from nemo_curator.runs.pairing.pair_file import COPIES, SIMILAR, TURNED


@dataclass(frozen=True, slots=True)
class Near:
    """Pairs that make duplicates under a policy.

    Attributes:
        rule: `copy` or `similar`.
        pairs: Which pairs those are: `copies`, `turned` or `similar`.
        radius: Distance up to which they count.
    """

    rule: str
    pairs: str
    radius: float


def near_kinds(alike: Alike) -> tuple[Near, ...]:
    """The pairs that a policy needs, in order of precedence."""
    found = []
    if alike.copies:
        found.append(Near("copy", TURNED if alike.copies.turned else COPIES, alike.copies.distance))
    if alike.similar is not None:
        found.append(Near("similar", SIMILAR, alike.similar))
    return tuple(found)
