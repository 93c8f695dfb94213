"""Kinds of request to an object store: which a request is, and which of them cost alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

KINDS = ("GET", "GET range", "HEAD", "LIST", "PUT", "multipart", "POST", "DELETE")
"""A GET of a whole file or of a range, one page of a listing, a step of an upload in parts, …"""

BILLED = {
    "GET": ("GET", "GET range"),
    "HEAD": ("HEAD",),
    "LIST": ("LIST",),
    "PUT": ("PUT", "multipart", "POST"),
    "DELETE": ("DELETE",),
}
"""Name of a column to the kinds of request that stand in it: those that cost alike."""


def kind_and_key(method: str, target: str, span: str) -> tuple[str, str]:
    """(kind of a request, bucket and key or prefix).

    Args:
        method: GET, PUT …
        target: Path and query as they were asked for.
        span: The header `Range`, or "".
    """
    path, _, query = target.partition("?")
    said = parse_qs(query, keep_blank_values=True)
    key = unquote(path).strip("/")
    if method == "GET" and ("list-type" in said or "prefix" in said):
        return "LIST", f"{key}/{said.get('prefix', [''])[0]}".rstrip("/")
    if "uploadId" in said or "uploads" in said:
        return "multipart", key
    return ("GET range" if method == "GET" and span else method), key


def requests_in(places: Iterable[Mapping[str, Any]], column: str, which: str) -> float:
    """Requests of a column in some places, as `object_requests.py` keeps them.

    Args:
        places: Kind to numbers of that kind, of each place.
        column: Name in `BILLED`.
        which: Which of the numbers: `a_shard`, `a_run` or `counted`.
    """
    return sum(float(place[kind][which]) for place in places for kind in BILLED[column] if kind in place)
