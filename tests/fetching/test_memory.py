"""What a fetch holds in memory: a share, whatever stands in the list and however large its images are."""

import asyncio
import json
import struct
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.fetching.conftest import files_of
from tests.fetching.web import PICTURE, head, sent, whole

from nemo_curator.errors import InputError
from nemo_curator.fetching import FetchSettings
from nemo_curator.fetching.holding import Share, holding
from nemo_curator.fetching.kept_rows import KeptRows
from nemo_curator.fetching.url_list import ListRow, UrlList

MB = 1_000_000


@pytest.fixture
def peak():
    """Does something, and gives the most bytes of Python that were there at a time beyond those from before."""

    def measured(work):
        """Called with what to do."""
        tracemalloc.start()
        try:
            work()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measured


def long_list(path, web, rows, size):
    """A list of pictures in which each row has a caption and a further column of so many letters."""
    with path.open("w") as file:
        for at in range(rows):
            web.pages[f"/{at}.jpg"] = whole(200, PICTURE + struct.pack("I", at))
            more = {"caption": f"{at} " * (size // 4), "more": "x" * size}
            file.write(json.dumps({"url": web.url(f"/{at}.jpg"), **more}) + "\n")
    return path


def test_rows_with_long_captions_are_not_held(tmp_path, web, fetched, peak):
    """A hundred rows of a megabyte need no hundred megabytes, and the files are those of a fetch that holds all."""
    long_list(tmp_path / "list.jsonl", web, 100, 500_000)
    assert peak(lambda: fetched(tmp_path / "list.jsonl", tmp_path / "small", memory=16 * MB)) < 48 * MB
    fetched(tmp_path / "list.jsonl", tmp_path / "large", memory=1000 * MB)
    assert files_of(tmp_path / "small") == files_of(tmp_path / "large")


def test_a_parquet_of_long_rows_is_read_a_few_at_a_time(tmp_path):
    """The batches of a Parquet are cut by what its rows take."""
    table = pa.table({"url": [f"http://a/{at}" for at in range(100)], "more": ["x" * MB for _ in range(100)]})
    pq.write_table(table, tmp_path / "list.parquet", use_dictionary=False, write_batch_size=1)
    del table
    before = pa.total_allocated_bytes()
    most = max(pa.total_allocated_bytes() - before for _ in UrlList(str(tmp_path / "list.parquet")).rows())
    assert most < 40 * MB


def test_shards_that_are_written_at_a_time_share_what_they_hold(tmp_path, web, fetched, peak):
    """Of eight shards with an image of ten megabytes that are whole at the same time, few hold theirs at a time."""
    large = [PICTURE + bytes([at]) * (10 * MB) for at in range(8)]
    web.pages = {f"/{at}.jpg": sent(head(200), large[at]) for at in range(8)}
    (tmp_path / "list.txt").write_text("".join(f"{web.url(f'/{at}.jpg')}\n" for at in range(8)))
    settings = {"shard_size": 1, "max_bytes": 20 * MB, "per_host": 8, "robots": False, "memory": 16 * MB}
    found = []
    assert peak(lambda: found.append(fetched(tmp_path / "list.txt", tmp_path / "out", **settings))) < 40 * MB
    assert found[0].ok == 8


def test_shares_add_up():
    """Whatever the shards and connections, what they hold is no more than what there is, but for the least of each."""
    for shard_size in (1, 100, 1000, 10**6):
        for connections in (1, 64, 1000):
            found = holding(1 << 30, shard_size, connections)
            taken = (found.shards + 1) * found.rows + connections * found.body + found.writing
            assert taken <= 1 << 30
            assert found.shards >= 2
    assert holding(1, 1000, 64).body > 0
    assert holding(0, 1000, 64).rows > 0


def test_who_wants_more_than_there_is_holds_it_alone():
    """A large one waits until it is alone, and small ones that come later wait behind it."""

    async def story():
        """What happens."""
        share, now, most = Share(10), [], []

        async def hold(size):
            """Hold some for a moment."""
            async with share.held(size):
                now.append(size)
                most.append(list(now))
                await asyncio.sleep(0.01)
                now.remove(size)

        await asyncio.gather(*(hold(size) for size in (4, 5, 99, 6, 4)))
        assert [99] in most
        assert all(sum(one) <= 10 or one == [99] for one in most)
        assert most.index([99]) < next(at for at, one in enumerate(most) if 6 in one)

    asyncio.run(story())


@pytest.mark.parametrize("most", [1, 10**6])
def test_rows_come_back_as_they_were(tmp_path, most):
    """In memory or in a file, a row is the same, halves of letters among it, and nothing is left in the folder."""
    rows = [
        ListRow(7, "http://a/ü", "caption \ud800", b'{"a": 1}', ""),
        ListRow(8, "", "", b"{}", "its line is no JSON object"),
        ListRow(9, "x" * 5000, "y" * 5000, b"z" * 5000),
    ]
    kept = KeptRows(7, str(tmp_path), most)
    for row in rows:
        kept.add(row)
    assert list(kept) == rows
    assert [kept.url(number) for number in (9, 7, 8)] == [rows[2].url, rows[0].url, ""]
    assert list(kept.urls()) == [ListRow(row.number, row.url, trouble=row.trouble) for row in rows]
    kept.close()
    assert not list(tmp_path.iterdir())


def test_less_than_no_memory_is_refused():
    """Bytes are no debt."""
    with pytest.raises(InputError, match="memory"):
        FetchSettings(memory=-1)
