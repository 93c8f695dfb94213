"""Which columns of a list hold URLs and captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nemo_curator.errors import InputError, nearest
from nemo_curator.shards.url_tables import URL_NAMES

CAPTION_NAMES = ("caption", "text", "alt_text", "alt", "top_caption", "description", "title")
"""Names of columns that are taken for captions, the most usual first."""

RESERVED = "fetch_"
"""What the names of our own keys in a sidecar begin with."""


@dataclass(frozen=True, slots=True)
class ListColumns:
    """The columns of a list.

    Attributes:
        url: The one of the URLs.
        caption: The one of the captions; "" where there is none.
        others: All that become keys of the sidecar, the URL's among them.
    """

    url: str
    caption: str
    others: tuple[str, ...]


def choose_columns(names: Sequence[str], url: str, caption: str, where: str) -> ListColumns:
    """The columns of a list with these names.

    Args:
        names: All that it has.
        url: The user's choice, or "" to guess.
        caption: The same.
        where: The list, for errors.

    Raises:
        InputError: There is no such column, or none of a usual name, or one that bears a name of ours.
    """
    for asked, option in ((url, "--url-column"), (caption, "--caption-column")):
        if asked and asked not in names:
            raise InputError(
                f"there is no column {asked!r}", where=where, act=f"{nearest(asked, names)} Say {option} NAME"
            )
    ours = [name for name in names if name.startswith(RESERVED)]
    if ours:
        act = "rename it"
        raise InputError(f"the column {ours[0]!r} has a name that only a fetch gives", where=where, act=act)
    chosen = url or _usual(names, URL_NAMES)
    if not chosen:
        shown = ", ".join(repr(name[:40]) for name in names[:8])
        cause = f"its columns are {shown}" if names else "it has no columns"
        if any(name.lower().startswith(("http://", "https://")) for name in names):
            cause = "its first line holds a URL: it has no line of names"
        raise InputError(
            "no column has a usual name for URLs",
            where=where,
            cause=cause,
            act="say which one it is: --url-column NAME",
        )
    words = caption or _usual([name for name in names if name != chosen], CAPTION_NAMES)
    return ListColumns(chosen, words, tuple(name for name in names if name != words))


def _usual(names: Sequence[str], usual: Sequence[str]) -> str:
    known = {name.lower(): name for name in reversed(names)}
    return next((known[name] for name in usual if name in known), "")
