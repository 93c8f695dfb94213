"""Which parameters the semantic deduplication can run with."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator.errors import nearest
from nemo_curator.stages.deduplication.semantic.kmeans import EMBEDDING
from nemo_curator.stages.deduplication.semantic.ranking import (
    COSINE_DISTANCE,
    DISTANCES,
    KEEP,
    L2_DISTANCE,
    RankingStrategy,
)

_INITS = ("k-means||", "k-means++", "random")
_WRITTEN = {EMBEDDING, L2_DISTANCE, COSINE_DISTANCE}  # columns that the workflow adds to ids and metadata
_OPTIONS = set(inspect.signature(pq.ParquetWriter.__init__).parameters) - {"self", "where", "schema", "options"}
_ACCEPTED = "storage_options"  # for compatibility: options of a storage come from its environment variables


class Given(Protocol):
    """The parameters that are looked at; the workflow has them."""

    input_filetype: Any
    n_clusters: int
    id_field: str
    metadata_fields: list[str] | None
    init: Any
    n_init: int
    max_iter: int
    tol: float
    random_state: int
    fit_data_fraction: float | None
    distance_metric: Any
    which_to_keep: Any
    ranking_strategy: RankingStrategy | None
    pairwise_batch_size: int
    eps: float | None
    embedding_dim: int | None
    cache_kwargs: dict[str, Any]
    write_kwargs: dict[str, Any]


def check_settings(given: Given) -> None:
    """Refuse what cannot be run, each with a sentence.

    Raises:
        ValueError: A parameter is none of those that it may be.
    """
    if given.input_filetype != "parquet":
        raise ValueError(f"input_filetype is 'parquet', not {given.input_filetype!r}: embeddings are read from Parquet")
    for name in ("n_clusters", "n_init", "max_iter", "pairwise_batch_size", "embedding_dim"):
        _check_count(name, getattr(given, name), optional=name == "embedding_dim")
    _check_count("random_state", given.random_state, least=0)
    for name, known in (("distance_metric", DISTANCES), ("which_to_keep", KEEP)):
        if getattr(given, name) not in known:
            raise ValueError(f"{name} is {' or '.join(map(repr, known))}, not {getattr(given, name)!r}")
    _check_init(given)
    _check_share("eps", given.eps, most=2.0, least_included=True)
    _check_share("fit_data_fraction", given.fit_data_fraction, most=1.0, least_included=False)
    if not (isinstance(given.tol, Real) and given.tol >= 0):
        raise ValueError(f"tol is a number of at least 0, not {given.tol!r}")
    _check_columns(given)
    for name in ("cache_kwargs", "write_kwargs"):
        _check_options(name, getattr(given, name))


def _check_count(name: str, value: object, *, optional: bool = False, least: int = 1) -> None:
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{name} is a whole number of at least {least}, not {value!r}")


def _check_init(given: Given) -> None:
    if isinstance(given.init, str):
        if given.init not in _INITS:
            raise ValueError(f"init is {' or '.join(map(repr, _INITS))}, or centroids, not {given.init!r}")
        return
    try:
        centroids = np.asarray(given.init, np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"init is a name or numbers, a row for each centroid, not {given.init!r:.100}") from None
    if centroids.ndim != 2 or len(centroids) != given.n_clusters:
        raise ValueError(f"init has the shape {centroids.shape}; {given.n_clusters} centroids are a row each")
    if not np.isfinite(centroids).all():
        raise ValueError("init holds NaN or infinity in single precision; centroids are finite")
    if given.embedding_dim not in (None, centroids.shape[1]):
        raise ValueError(f"init has {centroids.shape[1]} numbers a row, and embedding_dim is {given.embedding_dim}")


def _check_share(name: str, value: object, *, most: float, least_included: bool) -> None:
    if value is None:
        return
    low = "from 0" if least_included else "above 0"
    good = isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) <= most
    if not good or (not least_included and value == 0):
        raise ValueError(f"{name} is a number {low} to {most:g}, or None, not {value!r}")


def _check_columns(given: Given) -> None:
    columns = [given.id_field, *(given.metadata_fields or [])]
    for name in columns:
        if name in _WRITTEN:
            raise ValueError(f"a column {name!r} is written by the workflow itself; give yours another name")
    if given.ranking_strategy is None:
        return
    if not isinstance(given.ranking_strategy, RankingStrategy):
        raise ValueError(f"ranking_strategy is a RankingStrategy, not {given.ranking_strategy!r}")  # noqa: TRY004 (one kind of error for all parameters)
    known = {*columns, *DISTANCES.values()}
    for name in given.ranking_strategy.metadata_cols:
        if name not in known:
            raise ValueError(
                f"ranking_strategy sorts by {name!r}, which is not among metadata_fields; {nearest(name, known)}"
            )


def _check_options(name: str, options: Mapping[str, Any]) -> None:
    for option in options:
        if option not in _OPTIONS | {_ACCEPTED}:
            raise ValueError(
                f"{name}: {option!r} is no option of pyarrow's Parquet writer; {nearest(option, _OPTIONS)}"
            )
    size = options.get("write_batch_size")
    if size is not None:
        _check_count(f"{name}: write_batch_size", size)  # of 0 rows at once the writer would never end
    row = pa.table({"one": pa.array([0.0])})
    try:
        with pq.ParquetWriter(pa.BufferOutputStream(), row.schema, **writer_options(options)) as writer:
            writer.write_table(row)
    except (pa.ArrowException, OSError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}: pyarrow's Parquet writer refuses it: {' '.join(str(error).split())}") from None


def writer_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """What of the given options goes to the Parquet writer."""
    return {name: value for name, value in options.items() if name != _ACCEPTED}
