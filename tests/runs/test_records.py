"""What a part says of its records without being read."""

from __future__ import annotations

import pyarrow.parquet as pq
from tests.runs.paired import hashed_run, image
from tests.runs.tables import row

from nemo_curator.runs.parts import RECORD_DIGEST, part_facts
from nemo_curator.runs.records import records_of

ROWS = [image("a", b"1" * 32), image("b", b"2" * 32), image("c", error="decode_failed")]


def without_digest(run, partition_id):
    """The same part as an earlier version wrote it."""
    table = pq.ParquetFile(run.part(partition_id)).read()
    marks = {key: value for key, value in table.schema.metadata.items() if key != RECORD_DIGEST}
    pq.write_table(table.replace_schema_metadata(marks), run.part(partition_id), compression="zstd")
    assert part_facts(run, partition_id).records == ""


def test_records_by_their_ends(tmp_path):
    """Known from the ends of the parts, and the same from the rows of a part that does not say it."""
    run, ids = hashed_run(tmp_path, ROWS, ROWS[:2])
    known = records_of(run, ids)
    assert known.rows == 5
    assert all(part_facts(run, one).records for one in ids)
    without_digest(run, ids[0])
    assert records_of(run, ids) == known


def test_other_records_are_told(tmp_path):
    """Other bytes, other errors, another order or other partitions make another digest; other scores do not."""
    changed = {
        "bytes": [image("a", b"1" * 32, sha256="0" * 64), *ROWS[1:]],
        "error": [ROWS[0], image("b", b"2" * 32, error="truncated"), ROWS[2]],
        "order": [ROWS[1], ROWS[0], ROWS[2]],
        "fewer": ROWS[:2],
    }
    digests = {name: records_of(*hashed_run(tmp_path / name, rows)).digest for name, rows in changed.items()}
    first = records_of(*hashed_run(tmp_path / "first", ROWS)).digest
    assert len({first, *digests.values()}) == 5
    assert records_of(*hashed_run(tmp_path / "split", ROWS[:1], ROWS[1:])).digest != first
    scored = [row("a", bytes=10, sha256=ROWS[0]["sha256"]), *ROWS[1:]]
    assert records_of(*hashed_run(tmp_path / "scored", scored)).digest == first
