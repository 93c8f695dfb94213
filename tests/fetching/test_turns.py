"""A robots.txt is a request like any other: it takes a turn of each host that is asked; who waits for it takes none."""

import threading

from tests.fetching.conftest import write_list
from tests.fetching.web import Web, picture, redirect, whole


def slow_pages(web, count, host, began, hold):
    """Pictures of a host that are under way together, as the first one tells, until another thing was asked."""

    def page(body):
        """An answer that takes its time."""

        def answer(connection, _):
            """Told, and held."""
            began.set()
            hold()
            connection.sendall(whole(200, body, "Connection: close"))

        return answer

    web.pages |= {f"{host}/{at}.jpg": page(picture(at)) for at in range(count)}
    return [web.url(f"/{at}.jpg", host) for at in range(count)]


def test_a_robots_txt_at_another_host_takes_its_turn_there(tmp_path, web, fetched):
    """A host is never asked by more than its share at a time, also not for the robots.txt of other sites."""
    urls = slow_pages(web, 6, "b.web.test", threading.Event(), lambda: web.wait(0.1))
    web.pages["b.web.test/elsewhere.txt"] = whole(404)
    names = [f"s{at}.web.test" for at in range(12)]
    for name in names:
        web.pages[f"{name}/robots.txt"] = redirect(web.url("/elsewhere.txt", "b.web.test"))
        web.pages[f"{name}/a.jpg"] = whole(200, picture(99))
    write_list(tmp_path / "list.jsonl", [*urls, *(web.url("/a.jpg", name) for name in names)])
    assert fetched(tmp_path / "list.jsonl", tmp_path / "out", per_host=1).ok == 18
    assert web.count("/elsewhere.txt", "b.web.test") == 12
    assert web.most["b.web.test"] == 1


def test_requests_for_a_robots_txt_are_apart_at_each_host(tmp_path, web, fetched):
    """The delay is kept between the redirects of a robots.txt at one host, and from the sites that share one."""
    web.pages |= {"b.web.test/one.txt": redirect("/two.txt"), "b.web.test/two.txt": whole(404)}
    names = ["s0.web.test", "s1.web.test"]
    for name in names:
        web.pages[f"{name}/robots.txt"] = redirect(web.url("/one.txt", "b.web.test"))
        web.pages[f"{name}/a.jpg"] = whole(200, picture(99))
    write_list(tmp_path / "list.jsonl", [web.url("/a.jpg", name) for name in names])
    assert fetched(tmp_path / "list.jsonl", tmp_path / "out", delay=0.1, per_host=4).ok == 2
    times = web.times["b.web.test"]
    assert len(times) == 4
    assert times[-1] - times[0] >= 0.1 * 2.5


def test_sites_whose_robots_txt_lie_at_each_other_do_not_wait_for_ever(tmp_path, web, fetched):
    """Nobody holds the turn of one host while it waits for that of another."""
    for here, there in (("a", "b"), ("b", "a")):
        web.pages[f"{here}.web.test/robots.txt"] = redirect(web.url("/elsewhere.txt", f"{there}.web.test"))
        web.pages[f"{here}.web.test/elsewhere.txt"] = whole(404)
    web.pages |= {f"/{at}.jpg": whole(200, picture(at)) for at in range(5)}
    write_list(tmp_path / "list.jsonl", [web.url(f"/{at}.jpg", f"{name}.web.test") for at in range(5) for name in "ab"])
    assert fetched(tmp_path / "list.jsonl", tmp_path / "out", per_host=1).ok == 10


def test_who_waits_for_a_robots_txt_takes_no_turn(tmp_path, web, fetched):
    """While one site's robots.txt is under way, another site of the same host is asked, whatever waits for the first.

    The robots.txt of the first is answered only when the picture of the second was asked for.
    """
    with Web() as other:
        asked = threading.Event()

        def robots(connection, _):
            """Answered late."""
            asked.wait(20)
            connection.sendall(whole(404, b"", "Connection: close"))

        def page(connection, _):
            """Asked for."""
            asked.set()
            connection.sendall(whole(200, picture(7), "Connection: close"))

        web.pages = {"/robots.txt": robots} | {f"/{at}.jpg": whole(200, picture(at)) for at in range(5)}
        other.pages = {"/a.jpg": page}
        urls = [*(web.url(f"/{at}.jpg") for at in range(5)), other.url("/a.jpg")]
        write_list(tmp_path / "list.jsonl", urls)
        found = fetched(tmp_path / "list.jsonl", tmp_path / "out", per_host=2, timeout=5.0, retries=0)
    assert found.statuses == {"ok": 6}


def test_who_waits_for_a_robots_txt_takes_no_worker(tmp_path, web, fetched):
    """However many rows wait for the robots.txt of a site, other hosts are asked meanwhile."""
    asked = threading.Event()

    def robots(connection, _):
        """Answered late."""
        asked.wait(20)
        connection.sendall(whole(404, b"", "Connection: close"))

    def page(connection, _):
        """Asked for."""
        asked.set()
        connection.sendall(whole(200, picture(7), "Connection: close"))

    web.pages = {"web.test/robots.txt": robots, "b.web.test/a.jpg": page}
    web.pages |= {f"web.test/{at}.jpg": whole(200, picture(at)) for at in range(30)}
    urls = [*(web.url(f"/{at}.jpg") for at in range(30)), web.url("/a.jpg", "b.web.test")]
    write_list(tmp_path / "list.jsonl", urls)
    settings = {"per_host": 8, "connections": 4, "timeout": 5.0, "retries": 0}
    assert fetched(tmp_path / "list.jsonl", tmp_path / "out", **settings).statuses == {"ok": 31}
