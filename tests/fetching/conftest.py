"""What tests of fetching share."""

import json

import pyarrow.parquet as pq
import pytest
from tests.fetching.web import Web, ask

HERE = ("127.0.0.1/32",)
"""The one network that tests may connect to besides public ones, which they never name."""


@pytest.fixture
def web():
    """A server on this machine."""
    with Web() as server:
        yield server


@pytest.fixture
def fetched():
    """Fetches a list without time between requests; keywords are settings."""
    pytest.importorskip("aiohttp", reason="aiohttp belongs to the extra fetch")
    pytest.importorskip("protego", reason="Protego belongs to the extra fetch")
    from nemo_curator.fetching import FetchSettings, fetch

    def call(urls, output, *, retry_failed=False, told=lambda _: None, **settings):
        quick = {"delay": 0.0, "back_off": 0.01, "allowed_networks": HERE, "timeout": 20.0, "max_bytes": 1_000_000}
        return fetch(
            str(urls),
            str(output),
            FetchSettings(**(quick | settings)),
            retry_failed=retry_failed,
            resolve=ask,
            told=told,
        )

    return call


def write_list(path, urls, **columns):
    """A list in JSON Lines, with further columns of as many values."""
    rows = [{"url": url, **{name: values[at] for name, values in columns.items()}} for at, url in enumerate(urls)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def status_rows(output):
    """All rows of the status table, in order."""
    tables = sorted(output.glob("*.parquet"))
    with_rows = [row for path in tables for row in pq.ParquetFile(path).read().to_pylist()]
    assert [row["row"] for row in with_rows] == list(range(len(with_rows)))
    return with_rows


def files_of(output):
    """Name to bytes of everything in a fetch that depends on no clock."""
    found = {str(path.relative_to(output)): path for path in sorted(output.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith("times/")}
