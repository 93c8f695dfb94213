"""Which files the embeddings of a run are written to: pure values, known before the first of them is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Form = Literal["parquet", "npy"]
FloatType = Literal["float16", "float32"]

FORMS: tuple[Form, ...] = get_args(Form)

MANIFEST = "embeddings.json"
"""What was written, and how it was computed; written last."""

UNREADABLE = "unreadable.parquet"
"""The inputs without an embedding, and why; there where there are some."""

_NAMES = re.compile(
    r"embeddings\.json|unreadable\.parquet|(embeddings|ids)(-[0-9]{5,}-of-[0-9]{5,})?\.parquet"
    r"|embeddings(-[0-9]{5,}-of-[0-9]{5,})?\.npy"
)


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """How embeddings are written.

    Attributes:
        forms: `parquet`: rows with ids, where they come from, and the embedding. `npy`: a matrix, and a Parquet of the
            same rows without it.
        dtype: Of the numbers. The run keeps 16 bits; in 32 they are the same numbers, for programs that take no others.
        rows_per_file: Rows that a file holds at most.
    """

    forms: tuple[Form, ...] = ("parquet",)
    dtype: FloatType = "float16"
    rows_per_file: int = 1_000_000

    @property
    def facts(self) -> dict[str, Any]:
        """Plain data."""
        return {"forms": list(self.forms), "dtype": self.dtype, "rows_per_file": self.rows_per_file}


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive rows that share their files.

    Attributes:
        rows: How many.
        mark: What tells the names of the files from those of other pieces; "" where there is one piece.
    """

    rows: int
    mark: str

    @property
    def parquet(self) -> str:
        """Name of the Parquet with embeddings."""
        return f"embeddings{self.mark}.parquet"

    @property
    def matrix(self) -> str:
        """Name of the matrix."""
        return f"embeddings{self.mark}.npy"

    @property
    def ids(self) -> str:
        """Name of the Parquet beside the matrix."""
        return f"ids{self.mark}.parquet"

    def names(self, settings: EmbeddingSettings) -> tuple[str, ...]:
        """Names of all its files."""
        return (
            *((self.parquet,) if "parquet" in settings.forms else ()),
            *((self.matrix, self.ids) if "npy" in settings.forms else ()),
        )


def pieces(rows: int, settings: EmbeddingSettings) -> list[Piece]:
    """How so many rows are divided: full pieces, and a last one that may hold fewer; one piece where there is none."""
    count = max(1, -(-rows // settings.rows_per_file))
    sizes = [min(settings.rows_per_file, rows - at * settings.rows_per_file) for at in range(count)]
    if count == 1:
        return [Piece(sizes[0], "")]
    return [Piece(size, f"-{at:05d}-of-{count:05d}") for at, size in enumerate(sizes)]


def is_our_name(path: str) -> bool:
    """Whether a path in an output is one that embeddings are written to."""
    return _NAMES.fullmatch(path) is not None


def files_of(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Name to length of the files that a manifest lists.

    Raises:
        LookupError, TypeError, ValueError: It is no manifest of ours.
    """
    return {str(one["name"]): int(one["bytes"]) for one in manifest["files"]}
