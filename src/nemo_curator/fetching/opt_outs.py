"""Whether the headers of an answer say that the image may not be used so."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

OPT_OUTS = ("noai", "noimageai", "noindex", "noimageindex", "none")
"""Directives of `X-Robots-Tag` that are honoured by default."""

# directives with a value of their own, which are no names of crawlers
_VALUED = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}

_NAME = re.compile(r"\*|[a-z_]\S*")  # of a crawler, or of all; the time of a date has colons too


def opt_out(
    robots_tags: Sequence[str], reservations: Sequence[str], token: str, honoured: Collection[str] = OPT_OUTS
) -> str:
    """Why an answer's headers forbid its use, in a few words; "" where they do not.

    Args:
        robots_tags: Each `X-Robots-Tag` header: directives with commas between, which may be for one crawler by name
            (`somebot: noindex`).
        reservations: Each `TDM-Reservation` header; `1` reserves the rights of text and data mining
            (https://www.w3.org/community/reports/tdmrep/).
        token: Our own name as a crawler, lower case.
        honoured: Directives that count, lower case; with none of them no header is looked at.
    """
    if not honoured:
        return ""
    if any(value.strip() == "1" for value in reservations):
        return "the header TDM-Reservation reserves the rights of text and data mining"
    for field in robots_tags:
        found = [one for one in _directives(field, token) if one in honoured]
        if found:
            return f"the header X-Robots-Tag says {found[0]}"
    return ""


def _directives(field: str, token: str) -> list[str]:
    """The directives of a header that are for us: those of no crawler's, and those behind our name."""
    found: list[str] = []
    ours = True
    for part in field.lower().split(","):
        name, colon, rest = part.partition(":")
        if colon and name.strip() not in _VALUED and _NAME.fullmatch(name.strip()):
            ours = name.strip() in {token, "*"}
            part = rest  # noqa: PLW2901  what is behind the name
        if ours:
            found.append(part.strip())
    return found
