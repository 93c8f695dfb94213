"""Runs made of rows, without an image: a partition a list of rows. Policies over them, and what they decide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.runs.deciding import Funnel, IdList, Policy, check_policy, decide, parse_rule, read_id_list
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_schema, write_part
from nemo_curator.stages.declarations import Column

COLUMNS = (Column("a"), Column("b", "int"), Column("flag", "bool"), Column("word", "string"))
SCHEMA = part_schema(COLUMNS)


def row(image_id: str, **values: Any) -> dict[str, Any]:
    """One readable record; anything not given is NULL."""
    return {"image_id": image_id, "sha256": f"hash of {image_id}", "width": 100, "height": 100, **values}


def made_run(folder: Path | str, *partitions: Sequence[dict[str, Any]], schema: pa.Schema = SCHEMA) -> Any:
    """A run whose parts hold these rows, and the ids of its partitions in order."""
    run = RunDirectory(storage.join(str(folder), "run"))
    ids = [f"{15 - index:016x}" for index in range(len(partitions))]  # not in the order of their names
    for partition_id, rows in zip(ids, partitions, strict=True):
        write_part(run, partition_id, [{"ordinal": at, **one} for at, one in enumerate(rows)], schema)
    return run, ids


def policy(*rules: str | tuple[str, str], prefer: str | None = None, **settings: Any) -> Policy:
    """A policy of rules given as texts, named r0, r1 … or as (name, text)."""
    pairs = [rule if isinstance(rule, tuple) else (f"r{at}", rule) for at, rule in enumerate(rules)]
    chosen = parse_rule("prefer", prefer, SCHEMA.names) if prefer else None
    return Policy(tuple(parse_rule(name, text, SCHEMA.names) for name, text in pairs), prefer=chosen, **settings)


def listed(folder: Path | str, *ids: str, name: str = "ids.txt") -> IdList:
    """A list of ids, by way of a file."""
    path = Path(folder) / name
    path.write_text("".join(f"{one}\n" for one in ids), encoding="utf-8")
    return read_id_list(str(path))


def decisions(run: RunDirectory) -> list[dict[str, Any]]:
    """The rows of a run's decisions."""
    with storage.open(run.decisions) as file:
        return pq.read_table(file).to_pylist()


def decided(
    folder: Path | str, how: Policy, *partitions: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], Funnel]:
    """(verdict rows, funnel) of a run of these rows."""
    run, ids = made_run(folder, *partitions)
    check_policy(how, SCHEMA)
    funnel = decide(run, ids, how)
    return decisions(run), funnel
