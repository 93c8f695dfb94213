"""What a request asks for, out of its query and its body: every value is checked here, and nothing else is believed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from nemo_curator.report.serving.orders import Wanted
from nemo_curator.report.serving.refusal import RefusedError
from nemo_curator.report.serving.tables import Order

MOST_BODY = 256_000
"""Bytes of a request's body at most."""

MOST_IMAGES = 96
"""Images that one answer has at most."""

_MOST_FIELDS, _MOST_QUERY = 20, 4_000
_MOST_WORDS, _MOST_TEXT = 12, 300
_MOST_OFFSET = 10**12
_MOST_RULES, _MOST_NAME, _MOST_RULE = 200, 200, 4_000


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a list.

    Attributes:
        offset: So many are passed over.
        limit: So many at most.
    """

    offset: int
    limit: int


class Query:
    """The fields of a query.

    Args:
        text: What stands behind the question mark.

    Raises:
        RefusedError: It is too long, or has too many fields.
    """

    def __init__(self, text: str) -> None:
        try:
            found = parse_qs(text[: _MOST_QUERY + 1], keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise _wrong("the query has too many fields") from None
        if len(text) > _MOST_QUERY:
            raise _wrong("the query is too long")
        self._fields = {name: values[-1] for name, values in found.items()}

    def text(self, name: str) -> str:
        """A field as it is; "" where it is missing."""
        return self._fields.get(name, "")

    def whole(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """A field as a whole number between two ends.

        Raises:
            RefusedError: It is none, or missing without a default.
        """
        text = self._fields.get(name)
        if text is None and default is not None:
            return default
        if text is None or not (text.isascii() and text.isdigit() and len(text) < 16 and least <= int(text) <= most):
            raise _wrong(f"{name} should be a whole number from {least} to {most}")
        return int(text)

    def number(self, name: str) -> float:
        """A field as a finite number.

        Raises:
            RefusedError: It is none.
        """
        try:
            found = float(self.text(name)[:40])
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise _wrong(f"{name} should be a number")
        return found

    def page(self, default: int = 48) -> Page:
        """Which piece of a list is asked for."""
        return Page(self.whole("offset", 0, _MOST_OFFSET, 0), self.whole("limit", 1, MOST_IMAGES, default))

    def wanted(self, groups: int, axes: int) -> Wanted:
        """What a gallery should show.

        Args:
            groups: How many groups there are.
            axes: How many axes there are.

        Raises:
            RefusedError: It names what there is not.
        """
        chosen: tuple[int, ...] | None = None
        if self.text("groups"):
            parts = self.text("groups").split(",")
            fits = [one.isascii() and one.isdigit() and len(one) < 6 and int(one) < groups for one in parts]
            if not all(fits):
                raise _wrong("groups should be numbers of groups")
            chosen = tuple(sorted({int(one) for one in parts}))
        words = self.text("text").split()
        if len(words) > _MOST_WORDS or len(self.text("text")) > _MOST_TEXT:
            raise _wrong(f"look for {_MOST_WORDS} words at most, of {_MOST_TEXT} characters together")
        axis = self.whole("axis", 0, axes - 1) if self.text("axis") else None
        return Wanted(chosen, tuple(words), axis, self.text("descending") == "1")

    def order(self) -> Order:
        """How groups of duplicates are ordered.

        Raises:
            RefusedError: There is no such order.
        """
        orders: dict[str, Order] = {"far": "far", "size": "size", "source": "source"}
        if self.text("order") not in orders:
            raise _wrong(f"order should be one of {', '.join(orders)}")
        return orders[self.text("order")]


def rules_of(body: bytes) -> tuple[int, dict[str, str]]:
    """The edition and the rules that a change names.

    Args:
        body: JSON: `edition`, and `rules` as pairs of a name and an expression, in order.

    Raises:
        RefusedError: It is something else.
    """
    document = _document(body)
    edition, pairs = document.get("edition"), document.get("rules")
    if set(document) != {"edition", "rules"} or type(edition) is not int or not isinstance(pairs, list):
        raise _wrong("a change has an edition and rules")
    if len(pairs) > _MOST_RULES:
        raise _wrong(f"a change has {_MOST_RULES} rules at most")
    rules = dict(_pair(one) for one in pairs)
    if len(rules) != len(pairs):
        raise _wrong("two rules have one name")
    return edition, rules


def edition_of(body: bytes) -> int:
    """The edition that a request names, which names nothing else.

    Raises:
        RefusedError: It is something else.
    """
    document = _document(body)
    edition = document.get("edition")
    if set(document) != {"edition"} or type(edition) is not int:
        raise _wrong("this needs an edition and nothing else")
    return edition


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _wrong("this is not JSON") from None
    if not isinstance(found, dict):
        raise _wrong("this is no change")
    return found


def _pair(one: Any) -> tuple[str, str]:
    if not (isinstance(one, list) and len(one) == 2 and all(isinstance(part, str) for part in one)):
        raise _wrong("a rule is a name and an expression")
    name, text = one
    if not 0 < len(name) <= _MOST_NAME or not 0 < len(text.strip()) <= _MOST_RULE:
        raise _wrong(f"a rule has a name of up to {_MOST_NAME} characters, and an expression of up to {_MOST_RULE}")
    try:
        (name + text).encode()
    except UnicodeEncodeError:
        raise _wrong("a rule is text, and this is half of some") from None
    return name, text


def _wrong(sentence: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, sentence)
