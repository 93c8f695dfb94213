"""Verdicts: rules and duplicates over the stored scores, one row an input, in source order.

DuckDB evaluates on tables that we hand it, with access to anything else switched off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import ConservationError, DuplicateIdError, RecipeError
from nemo_curator.runs.deciding.rules import Quantile, Rule
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import read_part

_COLUMNS: dict[str, pa.DataType] = {
    "image_id": pa.string(),
    "verdict": pa.string(),
    "rule": pa.string(),
    "reason": pa.string(),
    "score": pa.float64(),
    "threshold": pa.float64(),
    "duplicate_of": pa.string(),
}
SCHEMA = pa.schema(_COLUMNS)
_ROW_GROUP = 131_072


@dataclass(frozen=True, slots=True)
class Policy:
    """How to decide.

    Attributes:
        rules: Rules in order; the first that matches rejects.
        duplicate_bytes: Whether images with equal encoded bytes are duplicates.
        prefer: An expression; of duplicates the image where it is largest stays, then the one with the smaller id.
    """

    rules: tuple[Rule, ...] = ()
    duplicate_bytes: bool = True
    prefer: Rule | None = None

    @property
    def columns(self) -> frozenset[str]:
        """Every column that it reads."""
        return frozenset().union(*(rule.columns for rule in self.rules), self.prefer.columns if self.prefer else ())


@dataclass(slots=True)
class Funnel:
    """How the inputs of a run ended.

    Attributes:
        inputs: Number of input records.
        kept: Number kept.
        quarantined: Error code to number.
        rejected: Rule to number, first match counting, in recipe order.
        alone: Rule to the number that it would reject by itself.
        undecided: Rule to the number of readable images for which it came out NULL, which does not reject.
        duplicates: Number of duplicates.
    """

    inputs: int = 0
    kept: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    alone: dict[str, int] = field(default_factory=dict)
    undecided: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0

    def check(self) -> None:
        """Conservation: inputs = kept + rejected + duplicates + quarantined.

        Raises:
            ConservationError: It does not hold.
        """
        total = self.kept + sum(self.rejected.values()) + self.duplicates + sum(self.quarantined.values())
        if total != self.inputs:
            raise ConservationError(
                f"{self.inputs} inputs have {total} verdicts",
                cause="this is a fault of imagecurator, not of your data",
                act="keep the run directory and report it",
            )


def decide(run: RunDirectory, partition_ids: Sequence[str], policy: Policy) -> Funnel:
    """Give every input of a run its verdict and write `decisions.parquet`.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order; all must be done.
        policy: How to decide.

    Raises:
        RecipeError: A rule cannot be evaluated on these columns.
        DuplicateIdError: Two inputs have the same id.
        ConservationError: The verdicts do not add up.
    """
    with _connect() as connection:
        _load(connection, run, partition_ids, policy)
        _refuse_equal_ids(connection)
        quantiles = _quantiles(connection, policy.rules)
        connection.execute(_verdict_sql(connection, policy, quantiles))
        with storage.write_atomic(run.decisions) as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            ordered = connection.sql(f"SELECT {', '.join(SCHEMA.names)} FROM verdicts ORDER BY position")
            for group in _row_groups(ordered.to_arrow_reader(_ROW_GROUP)):
                writer.write_table(group, row_group_size=_ROW_GROUP)
        funnel = _funnel(connection, policy, quantiles)
    funnel.check()
    return funnel


def check_policy(policy: Policy, schema: pa.Schema) -> None:
    """Make sure, before anything is scored, that a policy can be evaluated on the columns that there will be.

    Raises:
        RecipeError: A rule is no boolean on these columns, or asks for a quantile of what is no number.
    """
    for rule in policy.rules:
        for quantile in rule.quantiles:
            if not (pa.types.is_integer(kind := schema.field(quantile.column).type) or pa.types.is_floating(kind)):
                raise RecipeError(
                    f"there is no quantile of {quantile.column!r}, which is no number", where=_place(rule)
                )
    if policy.prefer and policy.prefer.quantiles:
        raise RecipeError("it may not ask for a quantile", where=_place(policy.prefer), act="name columns alone")
    with _connect() as connection:
        connection.register("records", _numbered(schema.empty_table(), 0))
        if policy.prefer:
            _type_of(connection, policy.prefer, policy.prefer.sql({}))
        connection.execute(
            _verdict_sql(connection, policy, {one: 0.0 for rule in policy.rules for one in rule.quantiles})
        )


def preview(table: pa.Table, policy: Policy) -> dict[str, int]:
    """Verdicts of one part by the rules that need no other part, for a progress display."""
    rules = tuple(rule for rule in policy.rules if not rule.quantiles)
    with _connect() as connection:
        connection.register("records", _numbered(table, 0))
        connection.execute(_verdict_sql(connection, Policy(rules, policy.duplicate_bytes, policy.prefer), {}))
        counts = connection.execute("SELECT verdict, count(*) FROM verdicts GROUP BY verdict").fetchall()
    return {str(verdict): int(count) for verdict, count in counts}


def _connect() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "lock_configuration": "true",
        },
    )


def _load(
    connection: duckdb.DuckDBPyConnection, run: RunDirectory, partition_ids: Sequence[str], policy: Policy
) -> None:
    """The columns that decisions need, of all parts, with their position in source order."""
    wanted = sorted({"image_id", "error", "error_detail", "sha256", *policy.columns})
    offset = 0
    for index, partition_id in enumerate(partition_ids):
        table = read_part(run, partition_id, wanted)
        connection.register("part", _numbered(table, offset))
        offset += table.num_rows
        connection.execute(
            "CREATE TABLE records AS FROM part" if index == 0 else "INSERT INTO records BY NAME FROM part"
        )
        connection.unregister("part")


def _numbered(table: pa.Table, offset: int) -> pa.Table:
    """Rows with their position in source order; integers are widened, so that the area of a bomb does not overflow."""
    fields = [field.with_type(pa.int64()) if pa.types.is_integer(field.type) else field for field in table.schema]
    position = pa.array(range(offset, offset + table.num_rows), pa.int64())
    return table.cast(pa.schema(fields)).append_column("__position", position)


def _refuse_equal_ids(connection: duckdb.DuckDBPyConnection) -> None:
    found = connection.execute(
        "SELECT image_id, count(*) FROM records GROUP BY image_id HAVING count(*) > 1 ORDER BY image_id LIMIT 1"
    ).fetchone()
    if found:
        raise DuplicateIdError(
            f"{found[1]} inputs have the id {found[0]!r}",
            cause="a shard and a file, or two inputs, name the same sample",
            act="give inputs names, as in NAME=PATH, or rename one of the files",
        )


def _quantiles(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> dict[Quantile, float | None]:
    """Every quantile: the smallest seen value that at least a share q of the readable rows do not exceed."""
    values: dict[Quantile, float | None] = {}
    for quantile in sorted({one for rule in rules for one in rule.quantiles}, key=lambda one: (one.column, one.q)):
        column = '"' + quantile.column.replace('"', '""') + '"'
        query = f"SELECT quantile_disc({column}, {quantile.q!r}) FROM records WHERE error IS NULL"
        row = connection.execute(query).fetchone()
        values[quantile] = None if row is None or row[0] is None else float(row[0])
    return values


def _verdict_sql(
    connection: duckdb.DuckDBPyConnection, policy: Policy, quantiles: Mapping[Quantile, float | None]
) -> str:
    """The statement that makes the table `verdicts`."""
    conditions = [_boolean(connection, rule, rule.sql(quantiles)) for rule in policy.rules]
    first = "".join(f" WHEN {sql} THEN {index}" for index, sql in enumerate(conditions))
    number = f"CASE WHEN error IS NOT NULL THEN NULL{first} ELSE NULL END"
    score, threshold, name, text = [], [], [], []
    for index, rule in enumerate(policy.rules):
        compared = rule.comparison(quantiles) or ("NULL", "NULL")
        score.append(f" WHEN {index} THEN TRY(CAST({compared[0]} AS DOUBLE))")
        threshold.append(f" WHEN {index} THEN TRY(CAST({compared[1]} AS DOUBLE))")
        name.append(f" WHEN {index} THEN {_quoted(rule.name)}")
        text.append(f" WHEN {index} THEN {_quoted(rule.text)}")
    best = _best_sql(policy)

    def of_rule(cases: list[str]) -> str:
        return f"CASE __matched{''.join(cases)} ELSE NULL END" if cases else "NULL"

    return f"""
        CREATE TABLE verdicts AS
        WITH matched AS (SELECT *, {number} AS __matched FROM records),
        grouped AS (SELECT *, {best} AS __best FROM matched)
        SELECT __position AS position, image_id,
            CASE WHEN error IS NOT NULL THEN 'quarantine' WHEN __matched IS NOT NULL THEN 'reject'
                 WHEN __best <> image_id THEN 'duplicate' ELSE 'keep' END AS verdict,
            CASE WHEN error IS NULL AND __matched IS NULL AND __best <> image_id THEN 'same_bytes'
                 ELSE {of_rule(name)} END AS rule,
            CASE WHEN error IS NOT NULL THEN concat_ws(': ', error, error_detail)
                 WHEN __matched IS NULL AND __best <> image_id THEN 'its bytes equal those of ' || __best
                 ELSE {of_rule(text)} END AS reason,
            CAST({of_rule(score)} AS DOUBLE) AS score,
            CAST({of_rule(threshold)} AS DOUBLE) AS threshold,
            CASE WHEN error IS NULL AND __matched IS NULL AND __best <> image_id THEN __best END AS duplicate_of
        FROM grouped
    """


def _best_sql(policy: Policy) -> str:
    """The id of the image that stands for all with the same bytes; NULL where that is not asked or not known."""
    if not policy.duplicate_bytes:
        return "NULL"
    preference = f"TRY({policy.prefer.sql({})}) DESC NULLS LAST, " if policy.prefer else ""
    return f"""
        CASE WHEN error IS NULL AND __matched IS NULL AND sha256 IS NOT NULL THEN first_value(image_id) OVER (
            PARTITION BY sha256, error IS NULL AND __matched IS NULL
            ORDER BY {preference}image_id) END
    """


def _boolean(connection: duckdb.DuckDBPyConnection, rule: Rule, sql: str) -> str:
    """The rule's SQL, if it is a boolean on these columns.

    What cannot be computed for a row (a text compared with a number, an overflow) is NULL there: undecided.
    """
    found = _type_of(connection, rule, sql)
    if found not in ("BOOLEAN", '"NULL"'):
        raise RecipeError(
            f"it gives {found.lower()}, not true or false",
            where=_place(rule),
            act="compare it with something, as in `entropy < 2`",
        )
    return f"TRY({sql})"


def _type_of(connection: duckdb.DuckDBPyConnection, rule: Rule, sql: str) -> str:
    try:
        # one row of NULLs is enough to learn the type
        kind = connection.execute(f"SELECT typeof({sql}) FROM (FROM records LIMIT 0) RIGHT JOIN (SELECT 1) ON true")
        found = kind.fetchone()
    except duckdb.Error as error:
        raise RecipeError(str(error).splitlines()[0], where=_place(rule)) from None
    return str(found[0]) if found else ""


def _place(rule: Rule) -> str:
    return f"{rule.where or f'rule {rule.name!r}'} ({rule.text})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _row_groups(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Batches of any size as tables of one size, so that the file does not depend on how they came."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in reader:
        held.append(batch)
        count += batch.num_rows
        while count >= _ROW_GROUP:
            table = pa.Table.from_batches(held).cast(SCHEMA)
            yield table.slice(0, _ROW_GROUP)
            held = table.slice(_ROW_GROUP).to_batches()
            count -= _ROW_GROUP
    if held:
        yield pa.Table.from_batches(held).cast(SCHEMA)


def _funnel(
    connection: duckdb.DuckDBPyConnection, policy: Policy, quantiles: Mapping[Quantile, float | None]
) -> Funnel:
    def counts(query: str) -> dict[str, int]:
        return {str(name): int(count) for name, count in connection.execute(query).fetchall()}

    verdicts = counts("SELECT verdict, count(*) FROM verdicts GROUP BY 1")
    rejected = counts("SELECT rule, count(*) FROM verdicts WHERE verdict = 'reject' GROUP BY 1")
    funnel = Funnel(
        inputs=_count(connection, "SELECT count(*) FROM records"),
        kept=verdicts.get("keep", 0),
        quarantined=counts("SELECT error, count(*) FROM records WHERE error IS NOT NULL GROUP BY 1 ORDER BY 1"),
        rejected={rule.name: rejected.get(rule.name, 0) for rule in policy.rules},
        duplicates=verdicts.get("duplicate", 0),
    )
    for rule in policy.rules:
        sql = rule.sql(quantiles)
        readable = f"SELECT count(*) FROM records WHERE error IS NULL AND TRY({sql})"
        funnel.alone[rule.name] = _count(connection, readable)
        undecided = _count(connection, f"{readable} IS NULL")
        if undecided:
            funnel.undecided[rule.name] = undecided
    return funnel


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
