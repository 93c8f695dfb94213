"""A run directory of any size with the real schema and made scores: no image was ever there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from nemo_curator.pipeline.scoring import plan_scoring
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_schema, write_embeddings, write_part_table
from nemo_curator.stages.image.io.rows import MEMBER

PART = 10_000  # rows: ten shards of a usual size
_BROKEN = 0.002
_COPIED = 0.05
_UNSCORED = 0.01


@dataclass(frozen=True, slots=True)
class Compared:
    """What images are compared by.

    Attributes:
        hashes: `(N, 32)`, PDQ hashes.
        vectors: `(N, D)`, embeddings.
    """

    hashes: np.ndarray
    vectors: np.ndarray


@dataclass(frozen=True)
class Pictures:
    """What the bytes of the images would be: picture `n % len(encoded)` with the number n behind it, in eight bytes.

    Attributes:
        encoded: Encoded images.
    """

    encoded: Sequence[bytes]

    @cached_property
    def _begun(self) -> list[Any]:
        return [hashlib.sha256(one) for one in self.encoded]

    def bytes_of(self, number: int) -> bytes:
        """The bytes of an image."""
        return self.encoded[number % len(self.encoded)] + number.to_bytes(8, "big")

    def hashes(self, numbers: Iterable[int]) -> Iterator[str]:
        """SHA-256 of the bytes of each, without making a million of them."""
        for number in numbers:
            digest = self._begun[number % len(self._begun)].copy()
            digest.update(number.to_bytes(8, "big"))
            yield digest.hexdigest()


def make_run(
    root: str,
    rows: int,
    seed: int = 0,
    first: int = 0,
    compared: Compared | None = None,
    pictures: Pictures | None = None,
) -> tuple[RunDirectory, list[str]]:
    """Write the parts.

    Args:
        root: Of the run.
        rows: How many images.
        seed: Of everything random.
        first: Number of the first image: those of one number have the same bytes.
        compared: Hashes and embeddings; without, there are none.
        pictures: What the images would be; without, hashes are of numbers alone.

    Returns:
        (the run, ids of its partitions in source order).
    """
    run, ids = RunDirectory(root), []
    schema = part_schema(plan_scoring(Recipe()).columns)
    for number, (start, count) in enumerate(_spans(rows)):
        ids.append(f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}")
        table = _part(schema, first + start, count, np.random.default_rng((seed, number)), pictures)
        if compared:
            some = slice(start, start + count)
            hashes = pa.array([one.tobytes().hex() for one in compared.hashes[some]])
            table = table.append_column("pdq", hashes).append_column("pdq_quality", pa.array(np.full(count, 100)))
            readable = table["error"].is_null().to_numpy()
            image_ids = table["image_id"].filter(pa.array(readable)).to_pylist()
            write_embeddings(run, ids[-1], image_ids, compared.vectors[some][readable])
        write_part_table(run, ids[-1], table, {})
    return run, ids


def _spans(rows: int) -> Iterator[tuple[int, int]]:
    for start in range(0, rows, PART):
        yield start, min(PART, rows - start)


def _part(
    schema: pa.Schema, start: int, count: int, random: np.random.Generator, pictures: Pictures | None
) -> pa.Table:
    broken = random.random(count) < _BROKEN
    whole = np.arange(start, start + count)
    # a copy has the bytes, and so the hash, of an image some thousands before it
    twin = np.where(random.random(count) < _COPIED, whole - random.integers(1, 50_000, count), whole).clip(0)
    numbers = twin.tolist()
    bare = (hashlib.sha256(b"%d" % number).hexdigest() for number in numbers)
    hashes = pa.array(list(pictures.hashes(numbers) if pictures else bare))
    sizes = [len(pictures.encoded[one % len(pictures.encoded)]) + 8 for one in numbers] if pictures else None
    keys = pa.array([f"{number:09d}" for number in whole.tolist()])
    source = pa.array([f"photos/{number // 1000:06d}.tar" for number in whole.tolist()])
    side = random.integers(48, 4000, (2, count))
    known = {
        "image_id": pa.array([f"photos/{number // 1000:06d}/{number:09d}" for number in whole.tolist()]),
        "source": source,
        "key": keys,
        "ordinal": pa.array(np.arange(count, dtype=np.int32)),
        "members": _members(keys, hashes, sizes or random.integers(5_000, 390_000, count), count),
        "primary": pa.array(np.zeros(count, np.int32)),
        "format": pa.array(random.choice(["jpeg", "png", "webp"], count, p=[0.9, 0.07, 0.03])),
        "width": pa.array(side[0], mask=broken),
        "height": pa.array(side[1], mask=broken),
        "bytes": pa.array(random.integers(5_000, 900_000, count)),
        "sha256": hashes,
        "caption": pa.array([f"a photograph with the number {number}" for number in whole.tolist()]),
        "error": pa.array(np.full(count, "decode_failed"), mask=~broken),
        "error_stage": pa.array(np.full(count, "image_reader"), mask=~broken),
        "error_detail": pa.array(np.full(count, "the data end before the image does"), mask=~broken),
    }
    columns = [known.get(field.name) for field in schema]
    scores = [
        _score(field, broken, random, count) if one is None else one for one, field in zip(columns, schema, strict=True)
    ]
    return pa.table(scores, schema=schema)


def _members(keys: pa.Array, hashes: pa.Array, sizes: Sequence[int], count: int) -> pa.Array:
    offsets = np.arange(count, dtype=np.int64) % 1000 * 400_000 + 512
    lengths = pa.array(sizes)
    extension = pa.array(np.full(count, "jpg"))
    values = [keys, extension, pa.array(offsets), lengths, hashes]
    return pa.ListArray.from_arrays(
        pa.array(np.arange(count + 1, dtype=np.int32)), pa.StructArray.from_arrays(values, fields=list(MEMBER))
    )


def _score(field: pa.Field, broken: np.ndarray, random: np.random.Generator, count: int) -> pa.Array:
    unknown = broken | (random.random(count) < _UNSCORED)
    if pa.types.is_floating(field.type):
        return pa.array(random.beta(1.5, 4.0, count), mask=unknown)
    if pa.types.is_integer(field.type):
        return pa.array(random.integers(0, 100, count), mask=unknown).cast(field.type)
    if pa.types.is_boolean(field.type):
        return pa.array(random.random(count) < 0.01, mask=unknown)
    return pa.nulls(count, field.type)
