"""Columns of `records` that no part holds: keys of the sidecar JSON with a type of their own, and caption frequencies.

Both depend on the whole data set: the type of a key on all its values, a frequency on all captions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import duckdb

from nemo_curator.errors import RecipeError
from nemo_curator.runs.deciding.connection import count, name, text
from nemo_curator.runs.deciding.metadata_keys import Key, key_of, nearest_key, written_keys

CAPTION_FREQUENCY = "caption_frequency"
"""The pseudo-column: how many readable images of the run have exactly this caption."""
CAPTION_HASH = "__caption"
HASH_SQL = "CAST('0x' || left(sha256(caption), 32) AS UHUGEINT)"
"""128 bits of SHA-256: two different captions among 10⁹ share one with a chance below 10⁻²⁰, even if chosen to."""
_SHOWN = 40  # characters of an example
_INT64 = (-(2**63), 2**63 - 1)


def is_computed(reference: str) -> bool:
    """Whether a reference names something that only the whole data set tells."""
    return reference == CAPTION_FREQUENCY or key_of(reference) is not None


@dataclass(frozen=True, slots=True)
class _Kinds:
    """What the values of a key are, over all readable images.

    Attributes:
        there: Images that have the key.
        counts: Kind of value to number of images.
        examples: Kind of value to the smallest one, as JSON text.
        whole: Numbers that are whole.
        span: Smallest and largest whole number.
    """

    there: int
    counts: dict[str, int]
    examples: dict[str, str]
    whole: int
    span: tuple[int, int] | None

    @property
    def type(self) -> str | None:
        """The SQL type that holds them all; None where no image has a value."""
        values = sum(self.counts.values())
        if not values:
            return None
        if self.counts["true or false"] == values:
            return "BOOLEAN"
        if self.counts["numbers"] < values:
            return "VARCHAR"
        if self.whole < values or self.span is None:
            return "DOUBLE"
        return "BIGINT" if _INT64[0] <= self.span[0] and self.span[1] <= _INT64[1] else "HUGEINT"

    @property
    def told(self) -> str:
        """The end of a sentence: an example, or the kinds with an example of each, the most frequent first."""
        kinds = sorted((kind for kind, number in self.counts.items() if number), key=lambda kind: -self.counts[kind])
        if len(kinds) == 1:
            return f" (such as {self.examples[kinds[0]]})"
        return f": its values are {' and '.join(f'{kind} (such as {self.examples[kind]})' for kind in kinds)}"


# JSON text tells its kind by how it begins: from '-' up to ':' lie the digits, and nothing else that begins a value
_KINDS = {
    "true or false": "{0} IN ('true', 'false')",
    "numbers": "{0} >= '-' AND {0} < ':'",
    "text": "starts_with({0}, '\"')",
    "lists or objects": "left({0}, 1) IN ('[', '{{')",
}


def settle_keys(
    connection: duckdb.DuckDBPyConnection, places: Mapping[Key, str], documents: Callable[[], Iterator[str | None]]
) -> None:
    """Give each key's column, which holds JSON texts, the type of all its values; `key_types` says which and why.

    Args:
        connection: A database with the table `records`.
        places: The keys, and where each is asked for.
        documents: Gives the JSON texts once more, to find the nearest key where one is missing.

    Raises:
        RecipeError: No readable image has a key.
    """
    if not places:
        return
    connection.execute("CREATE TABLE key_types (written VARCHAR, type VARCHAR, told VARCHAR)")
    readable = count(connection, "SELECT count(*) FROM records WHERE error IS NULL")
    untyped = []
    for key, place in sorted(places.items(), key=lambda one: one[0].path):
        kinds = _kinds(connection, name(key.column))
        if readable and not kinds.there:
            hint = _short(nearest_key(key, written_keys(documents())), 400)
            raise RecipeError(f"no image has {key.written}", where=place, act=hint)
        connection.execute("INSERT INTO key_types VALUES ($1, $2, $3)", [key.written, kinds.type, kinds.told])
        if kinds.type is None:
            untyped.append(name(key.column))
        else:
            _convert(connection, name(key.column), kinds.type)
    if untyped:  # no table can have a column without a type, which may be compared with anything
        connection.execute("ALTER TABLE records RENAME TO loaded")
        nulls = ", ".join(f"NULL AS {column}" for column in untyped)
        connection.execute(f"CREATE VIEW records AS SELECT * REPLACE ({nulls}) FROM loaded")


def _kinds(connection: duckdb.DuckDBPyConnection, column: str) -> _Kinds:
    figures = [f"count({column})"]
    for test in _KINDS.values():
        condition = test.format(column)
        figures += [f"count(*) FILTER ({condition})", f"min({column}) FILTER ({condition})"]
    broken = " OR ".join(f"contains({column}, '{sign}')" for sign in ".eE")
    whole = f"CASE WHEN {_KINDS['numbers'].format(column)} AND NOT ({broken}) THEN TRY_CAST({column} AS HUGEINT) END"
    figures += [f"{what}({whole})" for what in ("count", "min", "max")]
    row = connection.execute(f"SELECT {', '.join(figures)} FROM records WHERE error IS NULL").fetchone() or ()
    counts = dict(zip(_KINDS, row[1:9:2], strict=True))
    examples = dict(zip(_KINDS, (_short(one or "") for one in row[2:9:2]), strict=True))
    return _Kinds(row[0], counts, examples, row[9], None if row[10] is None else (row[10], row[11]))


def _convert(connection: duckdb.DuckDBPyConnection, column: str, kind: str) -> None:
    value = f"nullif({column}, 'null')"
    unquoted = f"CASE WHEN starts_with({column}, '\"') THEN json_extract_string({column}, '$') ELSE {value} END"
    using = f"TRY({unquoted})" if kind == "VARCHAR" else f"TRY_CAST({value} AS {kind})"
    connection.execute(f"ALTER TABLE records ALTER COLUMN {column} SET DATA TYPE {kind} USING {using}")


def count_captions(connection: duckdb.DuckDBPyConnection) -> None:
    """Put the column `caption_frequency` in the place of the hashes: exact, and holding repeated captions alone."""
    connection.execute(f"""
        CREATE TABLE repeated_captions AS SELECT {CAPTION_HASH}, count(*) AS images FROM records
        WHERE error IS NULL AND {CAPTION_HASH} IS NOT NULL GROUP BY {CAPTION_HASH} HAVING images > 1
    """)
    connection.execute(f"""
        CREATE TABLE counted AS SELECT records.* EXCLUDE ({CAPTION_HASH}),
            CASE WHEN error IS NULL AND {CAPTION_HASH} IS NOT NULL THEN coalesce(images, 1) END AS {CAPTION_FREQUENCY}
        FROM records LEFT JOIN repeated_captions USING ({CAPTION_HASH})
    """)
    connection.execute("DROP TABLE repeated_captions")
    connection.execute("DROP TABLE records")
    connection.execute("ALTER TABLE counted RENAME TO records")


def mistyped(
    connection: duckdb.DuckDBPyConnection, references: Collection[str], sql: str, probe: Callable[[str], bool]
) -> tuple[str, str] | None:
    """What to say of an expression that is refused because of the types of its keys: (what, act), or None.

    Args:
        connection: A database after `settle_keys`.
        references: What the expression reads.
        sql: The expression as SQL.
        probe: Whether SQL is an expression over `records`.
    """
    keys = [key for reference in sorted(references) if (key := key_of(reference))]
    if not keys:
        return None
    untyped = {key: f"({_without(sql, [key])})" for key in keys}
    guilty = [key for key in keys if probe(untyped[key])] or (keys if probe(_without(sql, keys)) else [])
    if not guilty:
        return None
    return told_type(connection, guilty[0])


def told_type(connection: duckdb.DuckDBPyConnection, key: Key) -> tuple[str, str]:
    """(what the values of a key are, what to write instead), for an expression that takes them for something else."""
    kind, told = key_type(connection, key)
    if kind == "VARCHAR":
        act = f"write number({key.written}), which is NULL where the text is no number"
        return f"{key.written} is text here{told}", act
    if kind == "BOOLEAN":
        act = f"write {key.written} or not {key.written}, or number({key.written}) for 1 and 0"
        return f"{key.written} is true or false here", act
    act = f"compare it with numbers, or write {key.written} || '' for its text"
    return f"{key.written} is a number here{told}", act


def key_type(connection: duckdb.DuckDBPyConnection, key: Key) -> tuple[str | None, str]:
    """(SQL type of a key's column, None where no image has a value; what its values are, in words)."""
    found = connection.execute(f"SELECT type, told FROM key_types WHERE written = {text(key.written)}").fetchall()
    return found[0] if found else (None, "")


def _without(sql: str, keys: Collection[Key]) -> str:
    for key in keys:
        sql = sql.replace(name(key.column), "NULL")
    return sql


def _short(value: str, most: int = _SHOWN) -> str:
    return value if len(value) <= most else value[: most - 1] + "…"
