"""What a command leaves behind while it works: memory must not grow with the number of shards."""

import subprocess
import sys

SCRIPT = """
import gc, io, sys
import pyarrow as pa, pyarrow.parquet as pq
from nemo_curator.cli.app import main

sys.argv = ["imagecurator", "--version"]
try:
    main()  # whatever it sets for the process stands afterwards
except SystemExit:
    pass
file = io.BytesIO()
pq.write_table(pa.table({"a": [1]}), file)
most = 0
for number in range(5000):
    ends = pq.read_metadata(file)
    ends.schema.to_arrow_schema()  # the end and its schema name each other: a ring
    del ends
    if number % 100 == 0:
        most = max(most, sum(isinstance(one, pq.FileMetaData) for one in gc.get_objects()))
print(most)
"""


def test_ends_of_many_parquet_files_do_not_stay():
    """Each is a ring of few objects with much behind it: a command looks for garbage before there are thousands."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    assert 0 < int(done.stdout.split()[-1]) < 1000
