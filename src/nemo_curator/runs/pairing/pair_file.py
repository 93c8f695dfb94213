"""The file of pairs of one kind: candidates for duplicates up to a radius, by the positions of the images in the run.

Images whose hashes or embeddings are equal to the last bit are not paired with each other, which would be millions of
pairs for a thousand white pictures: the first of them stands for all in the pairs, and each other one is written down
once, as equal to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nemo_curator.errors import InputError
from nemo_curator.kernels.cell_recall import Recall
from nemo_curator.kernels.resolution import Links
from nemo_curator.shards.parquet import open_parquet, read_footer

COPIES, TURNED, SIMILAR = "copies", "turned", "similar"
"""Kinds of pairs: of PDQ hashes, of these and their turns, of embeddings."""

_COLUMNS: dict[str, pa.DataType] = {
    "left": pa.int64(),
    "right": pa.int64(),
    "distance": pa.float64(),
    "equal": pa.bool_(),
}
SCHEMA = pa.schema(_COLUMNS)
FACTS = b"imagecurator.pairs"
"""Key in the metadata of the schema: JSON, what the file is of."""

ROW_GROUP = 131_072
"""Pairs of a row group."""


@dataclass(frozen=True, slots=True)
class PairFacts:
    """What a file of pairs is of.

    Attributes:
        kind: `copies`, `turned` or `similar`.
        radius: Distance up to which all pairs are there.
        inputs: Fingerprint of what was searched.
        images: How many images have a hash or an embedding to compare.
        distinct: How many different ones those are.
        pairs: How many pairs there are, without those that are equal.
        exact: Whether the search finds all pairs.
        recall: What one which is not exact finds, as measured on a sample: the share, what that proves, and on how many
            rows and pairs; None where it is exact.
        other: Key of the set of elsewhere that one end of each pair is of; "" where both are of the run.
    """

    kind: str
    radius: float
    inputs: str
    images: int
    distinct: int
    pairs: int
    exact: bool = True
    recall: Recall | None = None
    other: str = ""

    @classmethod
    def of(cls, metadata: Mapping[bytes, bytes] | None) -> Self | None:
        """What the metadata of a schema say; None where it is not that of pairs."""
        try:
            return cls.read(json.loads((metadata or {})[FACTS]))
        except (KeyError, ValueError):
            return None

    @classmethod
    def read(cls, facts: Any) -> Self | None:
        """What plain data say, as they stand in `run.json` too; None where they are not that of pairs."""
        try:
            recall = facts["recall"]
            return cls(
                str(facts["kind"]),
                float(facts["radius"]),
                str(facts["inputs"]),
                int(facts["images"]),
                int(facts["distinct"]),
                int(facts["pairs"]),
                bool(facts["exact"]),
                None if recall is None else Recall(**recall),
                str(facts["other"]),
            )
        except (KeyError, ValueError, TypeError):
            return None

    @property
    def metadata(self) -> dict[bytes, bytes]:
        """What `of` reads."""
        return {FACTS: json.dumps(asdict(self), sort_keys=True).encode()}


@dataclass(frozen=True, slots=True)
class PairFile:
    """A file of pairs that is there.

    Attributes:
        url: Where it lies.
        facts: What it says about itself.
    """

    url: str
    facts: PairFacts

    def codes(self, inputs: int) -> npt.NDArray[np.int64]:
        """`(inputs,)`, the position of the image that stands for each in the pairs; itself for most.

        Args:
            inputs: Number of input records.

        Raises:
            InputError: The file is gone, damaged, or of another run.
        """
        codes = np.arange(inputs)
        for left, right, _, equal in self.batches():
            if any(len(ends) and not 0 <= ends.min() <= ends.max() < inputs for ends in (left, right)):
                raise _damaged(self.url, "it speaks of images that the run does not have")
            codes[right[equal]] = left[equal]
        return codes

    def links(self, radius: float) -> Iterator[Links]:
        """The pairs within a radius, without those that are equal, in blocks.

        Raises:
            InputError: The file is gone or damaged.
        """
        for left, right, distance, equal in self.batches():
            near = ~equal & (distance <= radius)
            if near.any():
                yield Links(left[near], right[near], distance[near])

    def batches(self) -> Iterator[tuple[Any, Any, Any, Any]]:
        """Every row in blocks: left, right, distance, and whether the two are equal.

        Raises:
            InputError: The file is gone or damaged.
        """
        try:
            with open_parquet(self.url) as parquet:
                for batch in parquet.iter_batches(ROW_GROUP):
                    columns = [batch[name].to_numpy(zero_copy_only=False) for name in SCHEMA.names]
                    yield columns[0], columns[1], columns[2], columns[3]
        except (OSError, ValueError, pa.ArrowException) as error:
            if isinstance(error, InputError):
                raise
            raise _damaged(self.url, " ".join(str(error).split())) from None


Between = Mapping[str, Mapping[str, PairFile]]
"""Key of a set of images elsewhere to kind of pairs to their file."""


def open_pairs(url: str) -> PairFile | None:
    """The file of pairs at a place; None where there is none, or none that is whole.

    Only the end of the file is looked at.
    """
    try:
        schema = read_footer(url).schema.to_arrow_schema()
    except (OSError, pa.ArrowException, ValueError):
        return None
    facts = PairFacts.of(schema.metadata)
    return None if facts is None or not schema.equals(SCHEMA) else PairFile(url, facts)


def _damaged(url: str, cause: str) -> InputError:
    return InputError(
        "this file of pairs is damaged or missing", where=url, cause=cause, act="remove it, and decide again"
    )
