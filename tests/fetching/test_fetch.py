"""A whole fetch: what it writes, that it is polite, and that a run accounts for every URL."""

import asyncio
import json
import tarfile

import pyarrow.parquet as pq
import pytest
from tests.fetching.conftest import files_of, status_rows, write_list
from tests.fetching.web import PICTURE, head, picture, sent, whole

from nemo_curator.errors import InputError, OutputExistsError, StorageError
from nemo_curator.fetching import FetchSettings
from nemo_curator.kernels.sniff import sniff
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.reading import read_partition


def pictures(web, count, host="web.test"):
    """URLs of pictures, each another one."""
    web.pages |= {f"/{at}.jpg": whole(200, picture(at)) for at in range(count)}
    return [web.url(f"/{at}.jpg", host) for at in range(count)]


def stopped_after(rows):
    """Ends a fetch when so many rows are answered."""

    def told(progress):
        """Called with the progress."""
        if progress.done >= rows:
            raise RuntimeError("stopped")

    return told


def members(path):
    """Name to bytes of a tar."""
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}


def test_shards_hold_bytes_captions_and_metadata(tmp_path, web, fetched):
    """An image has exactly the bytes that were sent, its caption as text, and all further columns in its JSON."""
    urls = [*pictures(web, 3), web.url("/gone.jpg")]
    write_list(tmp_path / "list.jsonl", urls, caption=["a", "ü", "", "d"], likes=[1, 2, 3, 4])
    found = fetched(tmp_path / "list.jsonl", tmp_path / "out", shard_size=2)
    assert (found.ok, found.rows, found.statuses) == (3, 4, {"ok": 3, "not_found": 1})
    first = members(tmp_path / "out" / "000000.tar")
    assert list(first) == [f"000000000{at}.{end}" for at in (0, 1) for end in ("jpg", "json", "txt")]
    assert (first["0000000001.jpg"], first["0000000001.txt"].decode()) == (picture(1), "ü")
    facts = json.loads(first["0000000001.json"])
    assert (facts["url"], facts["likes"], facts["fetch_row"], facts["fetch_status"]) == (urls[1], 2, 1, "ok")
    failed = members(tmp_path / "out" / "000001-failed.tar")
    assert failed["0000000003.unfetched"] == b"not_found: the server answers 404"
    assert json.loads(failed["0000000003.json"])["fetch_status"] == "not_found"


def test_the_status_table_has_a_row_for_each_url(tmp_path, web, fetched):
    """Hash, size, format and place in the tar stand there; no time does, which is in a table beside it."""
    write_list(tmp_path / "list.jsonl", pictures(web, 2))
    fetched(tmp_path / "list.jsonl", tmp_path / "out")
    rows = status_rows(tmp_path / "out")
    with (tmp_path / "out" / "000000.tar").open("rb") as tar:
        tar.seek(rows[1]["offset"])
        assert tar.read(rows[1]["bytes"]) == picture(1)
    assert (rows[1]["format"], rows[1]["http_status"], rows[1]["attempts"]) == ("jpeg", 200, 1)
    assert not {"retrieved_at", "seconds"} & set(rows[0])
    times = pq.ParquetFile(tmp_path / "out" / "times" / "000000.parquet").read().to_pylist()
    assert [row["row"] for row in times] == [0, 1]
    assert all(row["retrieved_at"].year >= 2024 for row in times)


def test_a_url_that_is_there_twice_is_fetched_once_and_answered_twice(tmp_path, web, fetched):
    """Rows of one URL, however it is spelt and in whatever shard, share an answer, and each has the image."""
    one, two = pictures(web, 2)
    urls = [one, two, one.replace("http:", "HTTP:"), f"{two}#x", one, web.url("/gone"), web.url("/gone")]
    write_list(tmp_path / "list.jsonl", urls, caption=list("abcdefg"))
    found = fetched(tmp_path / "list.jsonl", tmp_path / "out", shard_size=2)
    rows = status_rows(tmp_path / "out")
    assert [row["first_row"] for row in rows] == [None, None, 0, 1, 0, None, 5]
    assert [row["status"] for row in rows] == ["ok"] * 5 + ["not_found"] * 2
    assert [web.count(path) for path in ("/0.jpg", "/1.jpg", "/gone")] == [1, 1, 1]
    assert (found.images, found.ok) == (2, 5)
    assert members(tmp_path / "out" / "000002.tar")["0000000004.jpg"] == picture(0)
    assert members(tmp_path / "out" / "000002.tar")["0000000004.txt"] == b"e"


def test_a_run_accounts_for_every_url(tmp_path, web, fetched):
    """Of a fetch a run reads as many records as the list has rows: images, and a record for each that has none."""
    write_list(tmp_path / "list.jsonl", [*pictures(web, 3), web.url("/gone"), "", "ftp://web.test/a"])
    fetched(tmp_path / "list.jsonl", tmp_path / "out", shard_size=2)
    listing = list_inputs([str(tmp_path / "out")])
    assert {entry.kind for entry in listing.entries} == {"tar"}
    assert {reason for _, reason in listing.ignored} == {"what a fetch of URLs says of itself"}
    root = {"input_root": str(tmp_path / "out")}
    samples = list(read_partition([entry.location for entry in listing.entries], root))
    assert len(samples) == 6
    assert sorted(sample.error for sample in samples) == ["", "", "", "not_fetched", "not_fetched", "not_fetched"]
    details = {sample.image_id: sample.detail for sample in samples if sample.error}
    assert details["000001-failed/0000000003"] == "not_found: the server answers 404"
    assert details["000002-failed/0000000004"] == "no_url: the row has no URL"


def test_no_host_is_asked_by_more_than_its_share_at_a_time(tmp_path, web, fetched):
    """What the server sees is what was promised: so many requests at a time for each host, and all are used."""
    pictures(web, 12)
    hosts = ["web.test", "b.web.test", "c.web.test"]
    write_list(tmp_path / "list.jsonl", [web.url(f"/{at}.jpg", host) for at in range(12) for host in hosts])
    fetched(tmp_path / "list.jsonl", tmp_path / "out", per_host=2, connections=32, robots=False)
    assert len(web.asked) == 36
    assert all(web.most[host] <= 2 for host in hosts)


def test_requests_to_a_host_are_apart(tmp_path, web, fetched):
    """The server sees at least the delay between the beginnings of two requests, robots.txt among them."""
    write_list(tmp_path / "list.jsonl", pictures(web, 5))
    fetched(tmp_path / "list.jsonl", tmp_path / "out", delay=0.1, per_host=4)
    times = web.times["web.test"]
    assert len(times) == 6
    # the server's clock starts when it has read a request, which may be a little late for one and not for the next
    assert times[-1] - times[0] >= 0.1 * 4.5


def test_crawl_delay_is_obeyed(tmp_path, web, fetched):
    """A site that wants more time between requests gets it."""
    web.pages["/robots.txt"] = whole(200, b"User-agent: *\nCrawl-delay: 0.1\n")
    write_list(tmp_path / "list.jsonl", pictures(web, 4))
    fetched(tmp_path / "list.jsonl", tmp_path / "out", per_host=4)
    assert web.times["web.test"][-1] - web.times["web.test"][0] >= 0.1 * 3.5


def test_robots_is_read_once_an_origin_and_can_be_ignored(tmp_path, web, fetched):
    """However many URLs a site has, its robots.txt is read once; who ignores it does not read it."""
    web.pages["/robots.txt"] = whole(200, b"User-agent: *\nDisallow: /0\n")
    write_list(tmp_path / "list.jsonl", pictures(web, 5))
    assert fetched(tmp_path / "list.jsonl", tmp_path / "a", robots=True).statuses == {"ok": 4, "robots_disallowed": 1}
    assert web.count("/robots.txt") == 1
    assert fetched(tmp_path / "list.jsonl", tmp_path / "b", robots=False).ok == 5
    assert web.count("/robots.txt") == 1


def test_opt_outs_can_be_ignored_in_so_many_words(tmp_path, web, fetched):
    """An image whose header says noai is taken where the user said so, and the header stands in its row."""
    web.pages["/a.jpg"] = whole(200, PICTURE, "X-Robots-Tag: noai")
    write_list(tmp_path / "list.jsonl", [web.url("/a.jpg")])
    assert fetched(tmp_path / "list.jsonl", tmp_path / "a").statuses == {"opted_out": 1}
    assert fetched(tmp_path / "list.jsonl", tmp_path / "b", opt_outs=()).ok == 1
    assert [row["x_robots_tag"] for row in status_rows(tmp_path / "a")] == ["noai"]
    assert [row["x_robots_tag"] for row in status_rows(tmp_path / "b")] == ["noai"]


def test_servers_are_told_the_tool_and_nothing_of_the_machine(tmp_path, web, fetched):
    """The default User-Agent names tool and version; the user's own is sent as it is."""
    write_list(tmp_path / "list.jsonl", pictures(web, 1))
    fetched(tmp_path / "list.jsonl", tmp_path / "a")
    assert all(agent.startswith("imagecurator/") for agent in web.agents)
    web.agents.clear()
    fetched(tmp_path / "list.jsonl", tmp_path / "b", user_agent="mybot/1.0 (+https://example.org)")
    assert set(web.agents) == {"mybot/1.0 (+https://example.org)"}


def test_what_was_fetched_is_not_fetched_again(tmp_path, web, fetched):
    """The same command a second time asks nobody for anything, and changes nothing."""
    write_list(tmp_path / "list.jsonl", [*pictures(web, 5), web.url("/gone")])
    first = fetched(tmp_path / "list.jsonl", tmp_path / "out", shard_size=2)
    before, asked = files_of(tmp_path / "out"), len(web.asked)
    again = fetched(tmp_path / "list.jsonl", tmp_path / "out", shard_size=2)
    assert (again.statuses, again.images, len(web.asked)) == (first.statuses, 0, asked)
    assert files_of(tmp_path / "out") == before


def test_failed_rows_are_asked_again_where_the_user_says_so(tmp_path, web, fetched):
    """What failed and may pass is asked again, what was fetched is not; repeats in other shards follow."""
    urls = [*pictures(web, 2), web.url("/late.jpg"), "", web.url("/late.jpg"), web.url("/0.jpg")]
    write_list(tmp_path / "list.jsonl", urls)
    assert fetched(tmp_path / "list.jsonl", tmp_path / "out", shard_size=3).ok == 3
    web.pages["/late.jpg"] = whole(200, picture(77))
    found = fetched(tmp_path / "list.jsonl", tmp_path / "out", shard_size=3, retry_failed=True)
    assert (found.statuses, found.images) == ({"ok": 5, "no_url": 1}, 1)
    assert (web.count("/0.jpg"), web.count("/1.jpg"), web.count("/late.jpg")) == (1, 1, 2)
    assert members(tmp_path / "out" / "000001.tar")["0000000004.jpg"] == picture(77)
    assert not (tmp_path / "out" / "000000-failed.tar").exists()
    fresh = fetched(tmp_path / "list.jsonl", tmp_path / "fresh", shard_size=3)
    assert fresh.statuses == found.statuses
    tars = {name: data for name, data in files_of(tmp_path / "out").items() if name.endswith(".tar")}
    assert tars == {name: data for name, data in files_of(tmp_path / "fresh").items() if name.endswith(".tar")}


def test_failures_of_a_shard_under_way_are_asked_again_too(tmp_path, web, fetched):
    """What failed before the fetch was stopped is asked again where the user says so, and only there."""
    urls = [*pictures(web, 1), web.url("/late.jpg"), *(web.url(f"/{name}.jpg") for name in "ab")]
    write_list(tmp_path / "list.jsonl", urls)
    with pytest.raises(RuntimeError, match="stopped"):
        fetched(tmp_path / "list.jsonl", tmp_path / "out", told=stopped_after(2), connections=1)
    web.pages |= {f"/{name}.jpg": whole(200, picture(at)) for at, name in enumerate(["late", "a", "b"], 50)}
    found = fetched(tmp_path / "list.jsonl", tmp_path / "out", retry_failed=True)
    assert found.statuses == {"ok": 4}
    assert (web.count("/0.jpg"), web.count("/late.jpg")) == (1, 2)


def test_shards_are_opened_again_one_after_the_other(tmp_path, web, fetched):
    """Before the first answer only a few shards are under way, and one without a failure stays as it is."""
    urls = [web.url(f"/gone/{at}") for at in range(8)]
    urls[2] = pictures(web, 1)[0]
    write_list(tmp_path / "list.jsonl", urls)
    fetched(tmp_path / "list.jsonl", tmp_path / "out", shard_size=1)
    before = (tmp_path / "out" / "000002.parquet").stat()
    seen = []

    def look(connection, _):
        """Which shards are whole while the first row is asked for again."""
        seen.append(len(list((tmp_path / "out").glob("*.parquet"))))
        connection.sendall(whole(404))

    web.pages["/gone/0"] = look
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nemo_curator.fetching.holding._SHARDS", 2)
        fetched(tmp_path / "list.jsonl", tmp_path / "out", shard_size=1, retry_failed=True, connections=1)
    assert seen[0] >= 6
    after = (tmp_path / "out" / "000002.parquet").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_list_is_not_mixed_in(tmp_path, web, fetched):
    """A folder belongs to one list and one size of shards; something else in it is not touched."""
    write_list(tmp_path / "list.jsonl", pictures(web, 2))
    fetched(tmp_path / "list.jsonl", tmp_path / "out")
    with pytest.raises(OutputExistsError, match="--shard-size 1000"):
        fetched(tmp_path / "list.jsonl", tmp_path / "out", shard_size=5)
    write_list(tmp_path / "list.jsonl", pictures(web, 3))
    with pytest.raises(OutputExistsError, match="another list"):
        fetched(tmp_path / "list.jsonl", tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="no fetch put there"):
        fetched(tmp_path / "list.jsonl", tmp_path / "mine")


def test_a_manifest_that_was_not_written_to_its_end_is_swept(tmp_path, web, fetched):
    """A kill while the first manifest was written leaves a folder that the next fetch may have."""
    write_list(tmp_path / "list.jsonl", pictures(web, 1))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fetch.json.tmp-0123456789ab").write_text("{")
    assert fetched(tmp_path / "list.jsonl", tmp_path / "out").ok == 1
    assert not list((tmp_path / "out").glob("*.tmp-*"))


def test_a_notebook_can_fetch(tmp_path, web, fetched):
    """Where an event loop runs already, as in a notebook, the function works all the same."""
    write_list(tmp_path / "list.jsonl", pictures(web, 2))

    async def cell():
        """What a cell of a notebook does."""
        return fetched(tmp_path / "list.jsonl", tmp_path / "out")

    assert asyncio.run(cell()).ok == 2


def test_only_what_is_wrong_with_a_shard_is_told_as_such(tmp_path, web, fetched):
    """A damaged shard is named; another error of the system is not laid at its door."""
    write_list(tmp_path / "list.jsonl", pictures(web, 1))

    def told(_):
        """Fails where progress is told."""
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        fetched(tmp_path / "list.jsonl", tmp_path / "out", told=told)
    fetched(tmp_path / "list.jsonl", tmp_path / "out")
    (tmp_path / "out" / "000000.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(InputError, match=r"000000\.parquet: a shard of this fetch cannot be read"):
        fetched(tmp_path / "list.jsonl", tmp_path / "out")


def test_a_full_disk_ends_the_fetch_with_a_sentence(tmp_path, web, fetched):
    """What this machine has no room for is no fault of a server: the fetch ends, and goes on when there is room."""
    write_list(tmp_path / "list.jsonl", pictures(web, 3))
    (tmp_path / "out" / ".fetching" / "000000.spool").mkdir(parents=True)
    with pytest.raises(StorageError, match="a directory of that name is in the way"):
        fetched(tmp_path / "list.jsonl", tmp_path / "out")
    (tmp_path / "out" / ".fetching" / "000000.spool").rmdir()
    assert fetched(tmp_path / "list.jsonl", tmp_path / "out").ok == 3


def test_an_empty_list_is_a_whole_fetch(tmp_path, fetched):
    """No rows, no shards, no error."""
    (tmp_path / "list.csv").write_text("url\n")
    found = fetched(tmp_path / "list.csv", tmp_path / "out")
    assert (found.rows, found.statuses) == (0, {})


def test_a_long_body_is_kept_whole(tmp_path, web, fetched):
    """A picture that is larger than what is held in memory arrives with its own bytes."""
    large = PICTURE + bytes(range(256)) * 12_000
    web.pages["/large.jpg"] = sent(head(200), large)
    write_list(tmp_path / "list.jsonl", [web.url("/large.jpg")])
    fetched(tmp_path / "list.jsonl", tmp_path / "out", max_bytes=10_000_000)
    assert members(tmp_path / "out" / "000000.tar")["0000000000.jpg"] == large
    assert sniff(large[:64]) == "jpeg"


@pytest.mark.parametrize(
    "wrong",
    [{"shard_size": 0}, {"timeout": 0.0}, {"delay": -1.0}, {"user_agent": ""}, {"allowed_networks": ("here",)}],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    """A setting is checked when it is made, with a sentence."""
    with pytest.raises(InputError):
        FetchSettings(**wrong)
