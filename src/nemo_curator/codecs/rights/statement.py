"""What was found about the rights in an image, in plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LONGEST = 1000
"""Characters of a text; what follows is cut."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a file and its sidecars say; "" where they say nothing.

    Attributes:
        opt_out_by: Each field that reserves the image against text and data mining or training, with its value.
        opt_out_terms: Where such a reservation says more: a policy's address, constraints.
        copyright: Copyright notice.
        creator: Who made it; several names are separated by semicolons.
        credit: Whom to credit.
        licence: Addresses and terms of licences, separated by semicolons.
        marked: Whether it is marked as under copyright (True) or in the public domain (False); None where it is not.
        generated_by: Each field that says that a generative model made it, or part of it, with its value.
        has_c2pa: Whether a C2PA manifest store is there; nobody looked whether its signatures hold.
    """

    opt_out_by: tuple[str, ...] = ()
    opt_out_terms: str = ""
    copyright: str = ""
    creator: str = ""
    credit: str = ""
    licence: str = ""
    marked: bool | None = None
    generated_by: tuple[str, ...] = ()
    has_c2pa: bool = False

    @property
    def ai_opt_out(self) -> bool:
        """Whether anything reserves the image against text and data mining or training."""
        return bool(self.opt_out_by)

    @property
    def ai_generated(self) -> bool:
        """Whether anything says that a generative model made it, or part of it."""
        return bool(self.generated_by)


def joined(texts: Iterable[str]) -> str:
    """Different texts in one, separated by semicolons, of a bounded length.

    Args:
        texts: Cleaned texts; empty and repeated ones are left out.

    Returns:
        At most `LONGEST` characters.
    """
    return "; ".join(dict.fromkeys(text for text in texts if text))[:LONGEST].rstrip()
