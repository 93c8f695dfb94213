"""The columns that the parts of a run have together, gathered from their ends."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_schema
from nemo_curator.shards.parquet import read_footer


class Schemas:
    """Schemas of parts, those that are alike once."""

    def __init__(self) -> None:
        self._found: list[pa.Schema] = []

    def add(self, schema: pa.Schema) -> None:
        """Take in the columns of one more part."""
        if not any(schema.equals(one) for one in reversed(self._found)):
            self._found.append(schema)

    def together(self) -> pa.Schema:
        """The columns that any part has, each of a type that holds all its values.

        Raises:
            pyarrow.ArrowException: There is no such type.
        """
        return pa.unify_schemas(self._found, promote_options="permissive") if self._found else part_schema(())


def schemas_of(run: RunDirectory, partition_ids: Sequence[str]) -> Schemas:
    """The columns of the parts of a run.

    Raises:
        OSError: A part is missing.
        pyarrow.ArrowException: One is torn.
    """
    found = Schemas()
    for metadata in storage.at_once(lambda one: read_footer(run.part(one)), partition_ids, run.root):
        found.add(metadata.schema.to_arrow_schema())
    return found
