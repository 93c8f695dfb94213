"""What is known of an image's end while it is scored: the mark that a lazy scoring leaves on it."""

from __future__ import annotations

from collections.abc import Collection

from nemo_curator.tasks import ImageObject

_MARK = "rejected_by"
_NONE: frozenset[int] = frozenset()


def mark_rejected(image: ImageObject, rules: Collection[int]) -> None:
    """Note the numbers of the rules that reject an image, in place of what was noted before."""
    image.derived[_MARK] = frozenset(rules)


def rejected_by(image: ImageObject) -> frozenset[int]:
    """Numbers of the rules that reject an image, as far as anybody has noted them."""
    found: frozenset[int] = image.derived.get(_MARK, _NONE)
    return found
