"""Verdicts over the stored scores: lists, rules, duplicates, a sample, a split; one row an input, in source order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import RecipeError
from nemo_curator.runs.deciding.connection import connected, lock
from nemo_curator.runs.deciding.duplicates import find_copies
from nemo_curator.runs.deciding.expressions import evaluating
from nemo_curator.runs.deciding.figures import Figures, figures
from nemo_curator.runs.deciding.funnel import Funnel, Tally, funnel_of
from nemo_curator.runs.deciding.judging import check_rules, judge, take_lists
from nemo_curator.runs.deciding.known_bad import find_known
from nemo_curator.runs.deciding.leaks import write_leaks
from nemo_curator.runs.deciding.others import find_earlier, find_leaks
from nemo_curator.runs.deciding.policy import Alike, Policy
from nemo_curator.runs.deciding.records import load, load_table
from nemo_curator.runs.deciding.sampling import draw
from nemo_curator.runs.deciding.schemas import Schemas
from nemo_curator.runs.deciding.skipped import refuse_missing
from nemo_curator.runs.deciding.thresholds import threshold_warnings
from nemo_curator.runs.deciding.verdicts import ROW_GROUP, SCHEMA, verdicts
from nemo_curator.runs.elsewhere import OtherSet
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.pair_file import Between, PairFile

_NONE: Mapping[str, PairFile] = MappingProxyType({})
_NEITHER: Between = MappingProxyType({})


def decide(
    run: RunDirectory,
    partition_ids: Sequence[str],
    policy: Policy,
    *,
    write: bool = True,
    schemas: Schemas | None = None,
    threads: int | None = None,
    pairs: Mapping[str, PairFile] = _NONE,
    others: Sequence[OtherSet] = (),
    between: Between = _NEITHER,
    memory: int | None = None,
    before_writing: Callable[[], None] = lambda: None,
) -> Funnel:
    """Give every input of a run its verdict and write `decisions.parquet`.

    Equal parts, order and policy give equal bytes, whatever the number of threads.

    Args:
        run: The run.
        partition_ids: Its partitions, in source order; all must be done.
        policy: How to decide.
        write: Whether to write; False computes the funnel alone.
        schemas: Columns of all its parts, where somebody has looked at them already.
        threads: Threads of the database; one a core, up to 8, by default.
        pairs: Kind of pairs to their file, as far as the policy needs them: `near_kinds` says which.
        others: The sets of elsewhere that the policy names, in its order.
        between: Pairs of near images with each of them, as far as the policy needs them.
        memory: Bytes that the database may hold, 640 MB by default; what is beyond goes to temporary files.
        before_writing: Called when every rule has been evaluated, before the verdicts are written.

    Raises:
        InputError: A part is missing or damaged.
        RecipeError: A rule cannot be evaluated on these columns.
        StaleScoresError: A score is needed of an image for which a lazy scoring left it out.
        DuplicateIdError: Two inputs have the same id.
        ConservationError: The verdicts do not add up.
        StorageError: There is no room for temporary files or for the result.
    """
    tally = Tally()
    with connected(threads=threads, memory=memory) as connection:
        inputs = load(connection, run, partition_ids, policy, schemas)
        lock(connection)
        unlisted = take_lists(connection, policy)
        find_known(connection, policy)
        find_leaks(connection, policy, others, between)
        with evaluating():
            known = figures(connection, policy.rules)
            judge(connection, policy, known)
            refuse_missing(connection, policy, run.root)
            _settle(connection, policy, pairs, others, between)
            warnings = threshold_warnings(connection, policy.rules, known)
        rows = _tallied(verdicts(connection, policy, inputs), tally)
        if write:
            before_writing()
            if policy.protect:
                write_leaks(connection, run, policy.protect)
            else:
                storage.remove(run.leaks)
            with _decisions(run) as writer:
                for group in rows:
                    writer.write_table(group, row_group_size=ROW_GROUP)
        else:
            for _ in rows:
                pass
        funnel = replace(funnel_of(connection, policy, tally, inputs, unlisted), warnings=warnings)
    funnel.check()
    return funnel


def check_policy(policy: Policy, schema: pa.Schema) -> None:
    """Make sure, before anything is scored, that a policy can be evaluated on the columns that there will be.

    Args:
        policy: The policy.
        schema: Columns of the parts.

    Raises:
        RecipeError: A rule is no boolean on these columns, asks for a quantile or rank of what is no number; the
            preference asks for one at all; `by` of sample or split names no column.
    """
    if policy.prefer and (policy.prefer.quantiles or policy.prefer.ranks):
        raise RecipeError(
            "it may not ask for a quantile or a rank", where=policy.prefer.place, act="name columns alone"
        )
    with connected(spill=False) as connection:
        load_table(connection, pa.Table.from_batches([], schema), policy)
        lock(connection)
        check_rules(connection, policy)


def preview(table: pa.Table, policy: Policy) -> Tally:
    """Verdicts of one part by lists, duplicates and the rules that need nothing else, counted for a progress display.

    Args:
        table: All columns of a part.
        policy: How to decide; its sample and split are left out.
    """
    rules = tuple(rule for rule in policy.rules if rule.of_one_row)
    prefer = policy.prefer if policy.prefer and policy.prefer.of_one_row else None  # which one stays changes no count
    pixels = policy.alike is not None and policy.alike.pixels
    alike = Alike(pixels=True) if pixels else None  # copies and look-alikes take a search
    known = replace(policy, rules=rules, prefer=prefer, sample=None, split=None, alike=alike, protect=(), against=())
    tally = Tally()
    with connected(spill=False) as connection:
        load_table(connection, table, known)
        lock(connection)
        take_lists(connection, known)
        find_known(connection, known)
        with evaluating():
            judge(connection, known, Figures())
            _settle(connection, known)
        for _ in _tallied(verdicts(connection, known, table.num_rows), tally):
            pass
    return tally


def _settle(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    pairs: Mapping[str, PairFile] = _NONE,
    others: Sequence[OtherSet] = (),
    between: Between = _NEITHER,
) -> None:
    """Everything about every record that the rules leave, in tables."""
    find_earlier(connection, policy, others, between)
    find_copies(connection, policy, pairs)
    draw(connection, policy)


def _tallied(tables: Iterable[pa.Table], tally: Tally) -> Iterator[pa.Table]:
    for table in tables:
        tally.add(table)
        yield table


@contextmanager
def _decisions(run: RunDirectory) -> Iterator[pq.ParquetWriter]:
    with (
        storage.write_atomic(run.decisions) as file,
        pq.ParquetWriter(file, SCHEMA, compression="zstd", write_page_checksum=True) as writer,
    ):
        yield writer
