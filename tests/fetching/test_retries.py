"""A further try really asks again, and what needs no request takes nobody's turn."""

import socket

import pytest
from tests.fetching.conftest import HERE, status_rows, write_list
from tests.fetching.web import picture, redirect, whole


@pytest.mark.parametrize("first", [whole(503), whole(429, b"", "Retry-After: 0"), whole(500)])
def test_a_robots_txt_that_fails_for_a_moment_is_asked_again(tmp_path, web, fetched, first):
    """A site that is busy when its robots.txt is read is no site that says no."""
    web.pages = {"/robots.txt": [first, whole(404)], "/a.jpg": whole(200, picture())}
    write_list(tmp_path / "list.jsonl", [web.url("/a.jpg")])
    assert fetched(tmp_path / "list.jsonl", tmp_path / "out").ok == 1
    (row,) = status_rows(tmp_path / "out")
    assert (web.count("/robots.txt"), row["attempts"]) == (2, 2)


def test_a_robots_txt_that_stays_away_is_asked_as_often_as_is_told(tmp_path, web, fetched):
    """As many attempts as stand in the table were made, for all rows of the site together."""
    web.pages = {"/robots.txt": whole(503)}
    write_list(tmp_path / "list.jsonl", [web.url("/a.jpg")])
    fetched(tmp_path / "list.jsonl", tmp_path / "out", retries=2)
    (row,) = status_rows(tmp_path / "out")
    assert (row["status"], row["attempts"], web.count("/robots.txt")) == ("robots_unreachable", 3, 3)


def test_a_robots_txt_that_is_refused_is_asked_once(tmp_path, web, fetched):
    """What will not pass is not tried again."""
    web.pages = {"/robots.txt": redirect("http://10.0.0.1/robots.txt")}
    write_list(tmp_path / "list.jsonl", [web.url("/a.jpg")])
    fetched(tmp_path / "list.jsonl", tmp_path / "out")
    (row,) = status_rows(tmp_path / "out")
    assert (row["status"], row["attempts"], web.count("/robots.txt")) == ("robots_unreachable", 1, 1)


def test_a_name_is_asked_again_by_a_retry(tmp_path, web):
    """A resolver that fails for a moment costs no row."""
    pytest.importorskip("aiohttp", reason="aiohttp belongs to the extra fetch")
    from nemo_curator.fetching import FetchSettings, fetch

    asked = []

    def ask(name):
        """Fails at first."""
        asked.append(name)
        if len(asked) == 1:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return ["127.0.0.1"]

    web.pages = {"/a.jpg": whole(200, picture())}
    write_list(tmp_path / "list.jsonl", [web.url("/a.jpg")])
    settings = FetchSettings(delay=0.0, back_off=0.0, allowed_networks=HERE)
    assert fetch(str(tmp_path / "list.jsonl"), str(tmp_path / "out"), settings, resolve=ask).ok == 1
    assert len(asked) == 2


def test_rows_that_a_known_robots_txt_disallows_take_no_time(tmp_path, web, fetched):
    """The requests that are made are apart by the delay, and the rows that need none wait for nothing."""
    web.pages = {"/robots.txt": whole(200, b"User-agent: *\nDisallow: /no\n"), "/a.jpg": whole(200, picture())}
    write_list(tmp_path / "list.jsonl", [*(web.url(f"/no/{at}") for at in range(1000)), web.url("/a.jpg")])
    found = fetched(tmp_path / "list.jsonl", tmp_path / "out", delay=0.5, shard_size=2000)
    assert found.statuses == {"ok": 1, "robots_disallowed": 1000}
    times = web.times["web.test"]
    assert 0.4 <= times[-1] - times[0] < 100.0  # with a wait a row it would be 500 s
