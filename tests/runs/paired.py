"""Runs made of hashes and embeddings, without an image: what pairs are looked for in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.runs.tables import row

from nemo_curator import storage
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.searches import SEARCHES, Found
from nemo_curator.runs.parts import part_schema, write_embeddings, write_part
from nemo_curator.stages.declarations import Column

COLUMNS = (
    Column("a"),
    Column("pdq", "string"),
    Column("pdq_quality", "int"),
    Column("pdq_turned", "string"),
    Column("pixels_sha256", "string"),
)
SCHEMA = part_schema(COLUMNS)


def hashed_run(folder: Path | str, *partitions, embeddings=None):
    """A run of rows, and the ids of its partitions in order.

    Args:
        folder: Where.
        partitions: Lists of rows, as `image` gives them.
        embeddings: Id to vector, of those rows that have no error.
    """
    run = RunDirectory(storage.join(str(folder), "run"))
    ids = [f"{15 - index:016x}" for index in range(len(partitions))]
    for partition_id, rows in zip(ids, partitions, strict=True):
        write_part(run, partition_id, [{"ordinal": at, **one} for at, one in enumerate(rows)], SCHEMA)
        readable = [one["image_id"] for one in rows if not one.get("error")]
        if embeddings is not None and readable:
            write_embeddings(run, partition_id, readable, [embeddings[name] for name in readable], "fp")
    return run, ids


def image(name, pdq=None, **values):
    """A row with a PDQ hash, given as bytes."""
    return row(name, pdq=None if pdq is None else bytes(pdq).hex(), pdq_quality=100, bytes=10, **values)


def near_hashes(count, seed=0, bits=40, bases=4):
    """`(count, 32)` hashes around a few others: some near each other, some equal."""
    random = np.random.default_rng([seed, count, bits])
    base = random.integers(0, 2, (bases, 256))
    chosen = base[random.integers(0, bases, count)]
    flipped = random.random((count, 256)) < random.choice([0.0, bits / 2560, bits / 512], count)[:, None]
    return np.packbits((chosen ^ flipped).astype(np.uint8), axis=1)


def bits_between(one, other):
    """Bits in which two hashes differ."""
    return int(np.unpackbits(np.frombuffer(bytes(one), np.uint8) ^ np.frombuffer(bytes(other), np.uint8)).sum())


def shuffled(seed):
    """The searches in use, whose pairs come in another order, cut into other blocks, within one side turned around."""
    random = np.random.default_rng(seed)

    def mixed(search, *, either_way):
        def blocks():
            columns = [np.concatenate([np.empty(0), *column]) for column in zip(*search.blocks, strict=True)]
            if not columns:
                return
            order = random.permutation(len(columns[0]))
            left, right, distance = (column[order] for column in columns)
            turn = (random.random(len(order)) < 0.5) & either_way
            left, right = np.where(turn, right, left).astype(np.int64), np.where(turn, left, right).astype(np.int64)
            for start in range(0, len(order), step := int(random.integers(1, 9))):
                some = slice(start, start + step)
                yield Found(left[some], right[some], distance[some])

        return replace(search, blocks=blocks())

    return replace(
        SEARCHES,
        **{
            name: lambda *given, name=name: mixed(getattr(SEARCHES, name)(*given), either_way="between" not in name)
            for name in ("copies", "turned", "similar", "copies_between", "turned_between", "similar_between")
        },
    )
