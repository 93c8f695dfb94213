"""Fingerprints of columns: whether stored scores are what would be computed now, and if not, what changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

RECORDS = "records"
"""The column-like name of what makes the records themselves: how inputs are read, and the limits."""

EMBEDDING = "embedding"
"""The column-like name of the embeddings beside the parts."""

LIBRARIES = "libraries"
"""Key, anywhere in some facts, of the versions of installed libraries."""

_PARAMETERS = "parameters"  # whose names a stage chooses, `libraries` too
_LONGEST, _BEGINNING = 40, 12  # characters of a value that a sentence shows, and of one that is longer than that

Path = tuple[str, ...]
"""Keys from the top of some facts down to one value."""


def fingerprint(facts: Mapping[str, Any]) -> str:
    """16 hex digits that are equal for equal facts.

    Args:
        facts: Plain data, as JSON can say it.
    """
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two facts, each as `name: old → new`, sorted."""
    before, after = _flat(old), _flat(new)
    told = ((".".join(path), before.get(path), after.get(path)) for path in _differing(before, after))
    return sorted(f"{name}: {_shown(was)} → {_shown(now)}" for name, was, now in told)


def only_environment(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether nothing but versions of installed libraries differs: something that no recipe asked for."""
    return all(LIBRARIES in path and _PARAMETERS not in path for path in _differing(_flat(old), _flat(new)))


def _flat(facts: Mapping[str, Any], prefix: Path = ()) -> dict[Path, str]:
    """Path of keys to the value there, in JSON, which tells 1 from 1.0 and from true as the fingerprint does."""
    found: dict[Path, str] = {}
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, (*prefix, str(name)))
        else:
            found[*prefix, str(name)] = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return found


def _differing(before: Mapping[Path, str], after: Mapping[Path, str]) -> list[Path]:
    return [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]


def _shown(value: str | None) -> str:
    """A JSON value in a sentence; a fact that is not there is none, as one that is null."""
    plain = None if value is None else json.loads(value)
    if plain is None:
        return "none"
    text = f"{plain:,}" if isinstance(plain, int) and not isinstance(plain, bool) else str(plain)
    return text if len(text) <= _LONGEST else f"{text[:_BEGINNING]}…"
