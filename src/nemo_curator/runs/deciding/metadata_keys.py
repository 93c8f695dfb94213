"""Keys of the sidecar JSON as columns: how a rule names one, and what is kept of it in the table `records`.

A reference to a key is written `metadata.punsafe`, `metadata.exif.make`, `metadata."original width"`. In the database
its column has a name made of a hash, so that no text of a user becomes SQL and keys that differ in case stay apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from nemo_curator.errors import nearest
from nemo_curator.runs.deciding.connection import name, text

_ROOT = "metadata."
_PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)', re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEPTH, _MOST = 6, 2_000  # how deep, and how many, keys are listed to find the nearest one


@dataclass(frozen=True, slots=True)
class Key:
    """A value somewhere in the sidecar JSON.

    Attributes:
        path: The keys from the top of the JSON down to it, at least one; the position, where there is a list.
    """

    path: tuple[str, ...]

    @property
    def written(self) -> str:
        """How a rule names it, in the one form that it is known under."""
        parts = (one if _PLAIN.fullmatch(one) else name(one) for one in self.path)
        return _ROOT + ".".join(parts)

    @property
    def column(self) -> str:
        """The name of its column in `records`."""
        return f"__key_{hashlib.sha256(json.dumps(self.path).encode()).hexdigest()[:32]}"

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer (RFC 6901), in which nothing but `~` and `/` means anything."""
        return "".join("/" + one.replace("~", "~0").replace("/", "~1") for one in self.path)


def key_of(reference: str) -> Key | None:
    """The key that a reference names, or None where it names a stored column or nothing at all."""
    if reference[: len(_ROOT)].lower() != _ROOT:
        return None
    path: list[str] = []
    at = len(_ROOT)
    while found := _PART.match(reference, at):
        quoted, plain = found.groups()
        path.append(plain if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if at == len(reference):
            return Key(tuple(path))
        if reference[at] != ".":
            return None
        at += 1
    return None


def keys_among(references: Collection[str]) -> list[Key]:
    """The keys among some references, each once, in the order of their names."""
    found = {key for reference in references if (key := key_of(reference))}
    return sorted(found, key=lambda key: key.path)


def column_sql(reference: str) -> str:
    """The column of `records` that a reference stands for, as an SQL identifier."""
    key = key_of(reference)
    return name(key.column if key else reference)


def raw_sql(key: Key, keys: Collection[Key]) -> str:
    """SQL for the JSON text of a key's value, NULL where there is none.

    All keys are looked up together, so that a JSON is parsed once a row; DuckDB computes equal expressions once.
    """
    every = list(keys)
    pointers = f"[{', '.join(text(one.pointer) for one in every)}]"
    # a half of a surrogate pair is legal in JSON escapes, and what DuckDB reads JSON with refuses it
    paired = (
        r"regexp_replace(metadata, '\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)', chr(1) || '\1' || chr(2) || '\2', 'g')"
    )
    single = rf"regexp_replace({paired}, '\\u[dD][89a-fA-F]..', '\\ufffd', 'g')"
    whole = rf"replace(replace({single}, chr(1), '\u'), chr(2), '\u')"
    found = f"coalesce(TRY(json_extract(metadata, {pointers})), TRY(json_extract({whole}, {pointers})))"
    return f"CAST({found}[{every.index(key) + 1}] AS VARCHAR)"


def text_sql(raw: str) -> str:
    """SQL for the text of a value that is given as JSON text: equal for equal numbers, however they are written."""
    number = f"TRY_CAST({raw} AS DOUBLE)"
    return f"""CASE WHEN {raw} = 'null' THEN NULL
        WHEN left({raw}, 1) = '"' THEN json_extract_string({raw}, '$')
        WHEN regexp_full_match({raw}, '-?[0-9]+') THEN coalesce(CAST(TRY_CAST({raw} AS HUGEINT) AS VARCHAR), {raw})
        WHEN {number} = trunc({number}) AND abs({number}) < 1e15 THEN CAST(CAST({number} AS BIGINT) AS VARCHAR)
        WHEN {number} IS NOT NULL THEN CAST({number} AS VARCHAR) ELSE {raw} END"""


def written_keys(documents: Iterator[str | None]) -> list[str]:
    """References to the keys of some JSON texts, the first few thousand of them."""
    found: set[Key] = set()
    for document in documents:
        if document is not None and len(found) < _MOST:
            try:
                found |= set(_walk(json.loads(document), ()))
            except (ValueError, RecursionError):
                continue
    return sorted(key.written for key in found)


def nearest_key(key: Key, written: Collection[str]) -> str:
    """The clause that suggests the nearest of some keys, before all others one that differs in case alone."""
    same = [one for one in sorted(written) if one.lower() == key.written.lower()]
    if same:
        return f"did you mean {same[0]}?"
    # without what all have in common, which would make any two look alike
    hint = nearest(key.written.removeprefix(_ROOT), [one.removeprefix(_ROOT) for one in written])
    return hint.replace("did you mean '", f"did you mean '{_ROOT}").replace("known: ", "the metadata has: ")


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[Key]:
    if isinstance(value, dict) and len(path) < _DEPTH:
        for one, inner in value.items():
            yield Key((*path, one))
            yield from _walk(inner, (*path, one))
