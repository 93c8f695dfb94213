"""`imagecurator fetch` on the command line."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.fetching.web import Web, picture, whole
from typer.testing import CliRunner

from nemo_curator.cli.app import app
from nemo_curator.fetching.url_list import UrlList
from nemo_curator.shards.url_tables import URL_NAMES

QUICK = ["--delay", "0", "--allow-private", "127.0.0.1/32"]


@pytest.fixture
def listed(tmp_path):
    """A list of two pictures of a server on this machine, and one that is not there."""
    pytest.importorskip("aiohttp", reason="aiohttp belongs to the extra fetch")
    with Web() as web:
        web.pages = {f"/{at}.jpg": whole(200, picture(at)) for at in range(2)}
        urls = "".join(f"{web.url(f'/{at}.jpg', '127.0.0.1')},picture {at}\n" for at in range(3))
        (tmp_path / "list.csv").write_text(f"url,caption\n{urls}")
        yield tmp_path


def called(*arguments):
    """What the command does in this process."""
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_fetch_and_run_account_for_every_url(listed):
    """What is fetched is curated by the next command, which quarantines the row that has no image, with the reason."""
    done = called("fetch", listed / "list.csv", listed / "out", *QUICK)
    assert done.exit_code == 0, done.output
    assert "fetched:    2 of 3 URLs" in done.stdout
    assert "without:    not_found 1" in done.stdout
    ran = called("run", listed / "out", listed / "set", "--scores", "header", "--workers", "0", "--json")
    assert ran.exit_code == 0, ran.output
    facts = json.loads(ran.stdout)
    assert "not_fetched" in json.dumps(facts)
    shown = called("explain", listed / "set" / "run", "000000-failed/0000000002")
    assert "not_found: the server answers 404" in " ".join(shown.output.split())


def test_machines_get_json(listed):
    """With --json the result is one object, and nothing else is printed."""
    done = called("fetch", listed / "list.csv", listed / "out", *QUICK, "--json")
    facts = json.loads(done.stdout)
    assert (facts["rows"], facts["statuses"]) == (3, {"ok": 2, "not_found": 1})


def test_a_fetch_is_written_down(listed):
    """A log from the beginning to the counts, and metrics; a second fetch finds all rows answered."""
    log, prom = listed / "log.jsonl", listed / "fetch.prom"
    for _ in range(2):
        done = called("fetch", listed / "list.csv", listed / "out", *QUICK, "--log-json", log, "--metrics", prom)
        assert done.exit_code == 0, done.output
    found = [json.loads(line) for line in log.read_text().splitlines()]
    names = [one["event"] for one in found if one["event"] != "progress"]
    assert names == ["begun", "fetching", "fetched", "finished"] * 2
    assert (found[0]["command"], found[0]["inputs"]) == ("fetch", [str(listed / "list.csv")])
    assert [(one["rows"], one["rows_done"]) for one in found if one["event"] == "fetching"] == [(3, 0), (3, 3)]
    assert [one["statuses"] for one in found if one["event"] == "fetched"] == [{"ok": 2, "not_found": 1}] * 2
    ends = [one["fetched"] for one in found if one["event"] == "finished"]
    assert [one["images"] for one in ends] == [2, 0]
    assert ends[0]["bytes"] == len(picture(0)) + len(picture(1))
    text = prom.read_text()
    assert 'imagecurator_phase{phase="finished"} 1' in text
    assert 'imagecurator_fetch_answers{status="not_found"} 1' in text
    assert "imagecurator_fetch_rows_done 3" in text


def test_a_fetch_that_fails_is_written_down(listed):
    """What ends a fetch is the last line, what was fetched until then is counted, and stderr is for machines alone."""
    (listed / "out" / ".fetching" / "000000.spool").mkdir(parents=True)
    done = called("fetch", listed / "list.csv", listed / "out", *QUICK, "--log-json", "-")
    assert done.exit_code == 4
    found = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [one["event"] for one in found][-1] == "failed"
    assert (found[-1]["error"], found[-1]["exit_code"]) == ("StorageError", 4)


def test_a_log_lies_outside_of_what_is_fetched(listed):
    """A file in the output is refused before anything is asked."""
    done = called("fetch", listed / "list.csv", listed / "out", *QUICK, "--log-json", listed / "out" / "log")
    assert done.exit_code == 4
    assert "--log-json" in done.output
    assert not (listed / "out").exists()


def test_memory_is_taken_as_a_size(listed):
    """A fetch within a megabyte has the same result."""
    done = called("fetch", listed / "list.csv", listed / "out", *QUICK, "--memory", "1MB", "--json")
    assert json.loads(done.stdout)["statuses"] == {"ok": 2, "not_found": 1}


@pytest.mark.parametrize("given", ["urls.parquet", "."])
def test_a_list_of_urls_is_no_input_of_a_run(tmp_path, given):
    """Who curates a Parquet of URLs, or a folder of such, is told of `fetch` in a sentence, and nothing is written."""
    (tmp_path / "in").mkdir()
    for name in ("urls.parquet", "urls2.parquet"):
        pq.write_table(pa.table({"URL": ["http://web.test/a.jpg"], "TEXT": ["a"]}), tmp_path / "in" / name)
    place = os.path.normpath(tmp_path / "in" / given)
    done = called("run", place, tmp_path / "out")
    assert done.exit_code == 3
    said = " ".join(done.output.split())
    assert "this is a list of URLs, and no image is in it" in said
    assert "`imagecurator fetch" in said
    assert "FETCHED" in said
    assert not (tmp_path / "out").exists()


LISTS = {
    "list.csv": "name,URL\r\na,http://web.test/a.jpg\r\n",
    "marked.csv": '\ufeff"image_url",x\nhttp://web.test/a.jpg,1\n',
    "list.tsv": "a\tUrl\n1\thttp://web.test/a.jpg\n",
    "list.jsonl": '{"n": 1, "src": "http://web.test/a.jpg"}\n',
    "LIST.NDJSON": '{"url": "http://web.test/a.jpg"}\n',
    "list.txt": "https://web.test/a.jpg\nhttps://web.test/b.jpg\n",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("whole", [True, False], ids=["folder", "file"])
def test_a_list_of_another_format_is_no_input_either(tmp_path, name, whole):
    """A CSV, TSV, JSON Lines or text of URLs, by itself or in a folder of such, is told of `fetch` likewise."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_text(LISTS[name], encoding="utf-8")
    place = tmp_path / "in" if whole else tmp_path / "in" / name
    done = called("run", place, tmp_path / "out")
    assert done.exit_code == 3
    assert f"imagecurator fetch {place} FETCHED" in done.output.replace("\n", "").replace("  ", " ")
    assert not (tmp_path / "out").exists()
    asked = UrlList(str(place))  # which is what the sentence sends to `fetch`
    assert asked.columns[0].url.lower() in URL_NAMES


NO_LISTS = {
    "empty.csv": b"",
    "notes.csv": b"name,size\na,3\n",
    "numbers.jsonl": b'{"url": 3}\n',
    "list.jsonl": b'["url"]\n',
    "broken.jsonl": b'{"url": "http://web.test/a.jpg',
    "deep.jsonl": b"[" * 60_000,
    "long.tsv": b"u" * 100_000 + b"\turl\n",
    "notes.txt": b"see http://web.test/a.jpg\n",
    "sources.txt": b"https://web.test/a.jpg is by A. Nonymous\n",
    "noise.csv": bytes(range(256)) * 300,
    "url.bin": b"url\nhttp://web.test/a.jpg\n",
}


@pytest.mark.parametrize("name", NO_LISTS)
def test_what_is_no_list_is_a_record(tmp_path, name):
    """A text without URLs where a list has them is a record, as any other file that is no image."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(NO_LISTS[name])
    done = called("run", tmp_path / "in", tmp_path / "out", "--scores", "header", "--workers", "0", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["funnel"]["quarantined"] == {"not_an_image": 1}


def test_a_table_beside_images_ends_no_run(tmp_path):
    """A Parquet of URLs in a folder that holds images too is a record that says why it is none, as before."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(picture(1))
    pq.write_table(pa.table({"url": ["http://web.test/a.jpg"]}), tmp_path / "in" / "urls.parquet")
    done = called("run", tmp_path / "in", tmp_path / "out", "--scores", "header", "--workers", "0", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["funnel"]["inputs"] == 2


def test_without_a_word_this_machine_is_not_asked(listed):
    """Private addresses are refused unless a network is named."""
    done = called("fetch", listed / "list.csv", listed / "out", "--json")
    assert json.loads(done.stdout)["statuses"] == {"private_address": 3}


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--url-column", "adress"], 3, "there is no column 'adress'"),
        (["--allow-private", "here"], 3, "this is no network"),
        (["--max-bytes", "much"], 2, "is no size"),
        (["--shard-size", "0"], 2, "--shard-size"),
        (["--memory", "0"], 2, "is nothing at all"),
    ],
)
def test_mistakes_are_sentences(listed, more, code, said):
    """A mistake of the user is told in a sentence, before anything is written."""
    done = called("fetch", listed / "list.csv", listed / "out", *more)
    assert done.exit_code == code
    assert said in " ".join(done.output.split())
    assert not (listed / "out").exists()
