"""Servers that misbehave: each way has its word in the status table, and none ends the fetch."""

import shutil
import socket
import ssl
import subprocess
import threading

import pytest
from tests.fetching.conftest import status_rows, write_list
from tests.fetching.web import (
    PICTURE,
    Web,
    ask,
    bomb,
    drip,
    drip_headers,
    endless,
    head,
    redirect,
    reset,
    sent,
    silence,
    whole,
)

from nemo_curator.fetching.statuses import STATUSES

CHUNKED = head(200, "Transfer-Encoding: chunked")
CHUNK = b"%x\r\n" % len(PICTURE) + PICTURE + b"\r\n"
ROBOTS = b"User-agent: *\nDisallow: /private\n\nUser-agent: imagecurator\nDisallow: /not-for-us\nCrawl-delay: 0\n"

# way: (the answer, the word), at a path of its own on web.test
PAGES = {
    "a_picture": (whole(200, PICTURE, "Content-Type: image/jpeg"), "ok"),
    "named_otherwise": (whole(200, PICTURE, "Content-Type: text/html"), "ok"),
    "in_chunks": (CHUNKED + CHUNK + b"0\r\n\r\n", "ok"),
    "until_the_end": (sent(head(200), PICTURE), "ok"),
    "redirect_once": (redirect("/a_picture"), "ok"),
    "redirect_loop": (redirect("/redirect_back"), "redirect_loop"),
    "redirect_to_itself": (redirect("/redirect_to_itself"), "redirect_loop"),
    "redirect_nowhere": (whole(302), "bad_response"),
    "redirect_far": (redirect("/far/1"), "too_many_redirects"),
    "redirect_to_metadata": (redirect("http://169.254.169.254/latest/meta-data"), "private_address"),
    "redirect_to_file": (redirect("file:///etc/passwd"), "bad_scheme"),
    "redirect_to_ftp": (redirect("ftp://web.test/a.jpg"), "bad_scheme"),
    "redirect_to_localhost": (redirect("http://localhost/a.jpg"), "private_address"),
    "redirect_to_loopback": (redirect("http://[::1]/a.jpg"), "private_address"),
    "redirect_to_mapped": (redirect("http://[::ffff:127.0.0.1]/a.jpg"), "private_address"),
    "redirect_to_private": (redirect("http://10.0.0.1/a.jpg"), "private_address"),
    "redirect_to_a_number": (redirect("http://2130706433/a.jpg"), "bad_url"),
    "redirect_to_a_private_name": (redirect("http://inside.test/a.jpg"), "private_address"),
    "redirect_with_a_password": (redirect("http://me:secret@web.test/a.jpg"), "bad_url"),
    "redirect_to_ssh": (redirect("http://web.test:22/"), "bad_port"),
    "endless": (endless, "too_large"),
    "length_too_large": (sent(head(200, length=10**12), PICTURE), "too_large"),
    "wrong_type": (whole(200, b"a text of some length", "Content-Type: image/png"), "not_an_image"),
    "html_with_200": (whole(200, b"<!doctype html><title>Not found</title>"), "not_an_image"),
    "gzip_bomb": (bomb(), "encoded"),
    "length_too_long": (sent(head(200, length=len(PICTURE) + 99), PICTURE), "connection_lost"),
    "length_too_short": (sent(head(200, length=600) + PICTURE), "bad_response"),
    "reset": (reset, "connection_lost"),
    "hangs_up": (sent(), "connection_lost"),
    "chunk_broken": (sent(CHUNKED + CHUNK + b"nonsense\r\n"), "bad_response"),
    "chunk_broken_later": (sent(CHUNKED, CHUNK, b"nonsense\r\n", pause=0.05), "bad_response"),
    "chunk_broken_at_first": (sent(CHUNKED, b"nonsense\r\n", pause=0.05), "bad_response"),
    "chunks_cut_off": (sent(CHUNKED, CHUNK[:-99]), "connection_lost"),
    "no_http": (sent(b"220 mail.test ESMTP\r\n"), "bad_response"),
    "huge_header": (sent(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\n"), "bad_response"),
    "many_headers": (sent(head(200, *(f"X-{at}: 1" for at in range(5000)))), "bad_response"),
    "noai": (whole(200, PICTURE, "X-Robots-Tag: noai, noimageai"), "opted_out"),
    "noindex": (whole(200, PICTURE, "X-Robots-Tag: noindex"), "opted_out"),
    "noai_for_another": (whole(200, PICTURE, "X-Robots-Tag: otherbot: noai"), "ok"),
    "noai_for_us": (
        whole(200, PICTURE, "X-Robots-Tag: otherbot: all", "X-Robots-Tag: imagecurator: noai"),
        "opted_out",
    ),
    "rights_reserved": (whole(200, PICTURE, "TDM-Reservation: 1"), "opted_out"),
    "gone": (whole(410), "not_found"),
    "missing": (whole(404), "not_found"),
    "forbidden": (whole(403), "forbidden"),
    "for_lawyers": (whole(451), "forbidden"),
    "teapot": (whole(418), "http_error"),
    "partial": (whole(206, PICTURE), "http_error"),
    "empty": (whole(200), "empty"),
    "no_content": (sent(head(204)), "http_error"),
    "busy_for_a_moment": ([whole(429, b"", "Retry-After: 0"), whole(200, PICTURE)], "ok"),
    "busy_at_first": ([whole(503), whole(200, PICTURE)], "ok"),
    "always_busy": (whole(503), "server_error"),
    "broken": (whole(500), "server_error"),
    "private": (whole(200, PICTURE), "ok"),  # our own group of the robots.txt counts, not that of all
    "not-for-us": (whole(200, PICTURE), "robots_disallowed"),
}

# way: (the URL, the word); {port} is that of the server
URLS = {
    "a_name_that_is_nobodys": ("http://unknown.example/a.jpg", "dns_failed"),
    "a_name_without_addresses": ("http://nowhere.test/a.jpg", "dns_failed"),
    "a_name_that_is_private": ("http://inside.test/a.jpg", "private_address"),
    "a_name_of_the_cloud": ("http://cloud.test/latest/meta-data", "private_address"),
    "a_name_that_is_mapped": ("http://mapped.test:{port}/a_picture", "private_address"),
    "a_name_that_is_both": ("http://mixed.test:{port}/a_picture", "ok"),
    "localhost": ("http://localhost:{port}/a_picture", "private_address"),
    "loopback": ("http://127.0.0.2:{port}/a_picture", "private_address"),
    "this_network": ("http://0.0.0.0:{port}/a_picture", "private_address"),
    "tunnel": ("http://[2002:7f00:1::]/a.jpg", "private_address"),
    "translator": ("http://[64:ff9b::7f00:1]/a.jpg", "private_address"),
    "shared": ("http://100.64.0.1/a.jpg", "private_address"),
    "odd_port": ("http://web.test:99999/a.jpg", "bad_url"),
    "port_of_mail": ("http://web.test:25/a.jpg", "bad_port"),
    "octal": ("http://0177.0.0.1/a.jpg", "bad_url"),
    "password": ("http://me:secret@web.test:{port}/a_picture", "bad_url"),
    "data": ("data:image/png;base64,AAAA", "bad_scheme"),
    "no_scheme": ("web.test/a.jpg", "bad_url"),
    "nothing": ("", "no_url"),
    "spaces": ("  http://web.test:{port}/a_picture#part  ", "ok"),
    "international": ("http://bücher.web.test:{port}/a_picture", "ok"),
    "newline_inside": ("http://web.test:{port}/a\nHost: other", "bad_url"),
    "no_tls": ("https://web.test:{port}/a_picture", "tls_error"),
    "busy_for_long": ("http://busy.web.test:{port}/busy", "too_many_requests"),
    "robots_503": ("http://down.web.test:{port}/a_picture", "robots_unreachable"),
    "robots_away": ("http://away.web.test:{port}/a_picture", "robots_unreachable"),
    "robots_endless": ("http://long.web.test:{port}/a_picture", "ok"),
    "robots_403": ("http://shut.web.test:{port}/a_picture", "ok"),
    "robots_loop": ("http://loop.web.test:{port}/a_picture", "ok"),
    "robots_elsewhere": ("http://moved.web.test:{port}/not-for-us", "robots_disallowed"),
    "robots_slow": ("http://hourly.web.test:{port}/a_picture", "robots_disallowed"),
    "robots_for_all": ("http://closed.web.test:{port}/a_picture", "robots_disallowed"),
}


@pytest.fixture(scope="module")
def closed_port():
    """A port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def answers(tmp_path_factory, closed_port):
    """Way to its row of the status table: one fetch of all of them."""
    pytest.importorskip("aiohttp", reason="aiohttp belongs to the extra fetch")
    from nemo_curator.fetching import FetchSettings, fetch

    place = tmp_path_factory.mktemp("ways")
    with Web() as web:
        web.pages = {f"/{way}": answer for way, (answer, _) in PAGES.items()}
        web.pages |= {f"/far/{at}": redirect(f"/far/{at + 1}") for at in range(20)}
        web.pages |= {
            "/redirect_back": redirect("/redirect_loop"),
            "/robots.txt": whole(200, ROBOTS),
            "busy.web.test/busy": whole(429, b"", "Retry-After: 9999"),
            "down.web.test/robots.txt": whole(503),
            "away.web.test/robots.txt": redirect("http://10.0.0.1/robots.txt"),
            "long.web.test/robots.txt": endless,
            "shut.web.test/robots.txt": whole(403),
            "loop.web.test/robots.txt": redirect("/robots.txt"),
            "moved.web.test/robots.txt": redirect(web.url("/robots.txt")),
            "hourly.web.test/robots.txt": whole(200, b"User-agent: *\nCrawl-delay: 3600\n"),
            "closed.web.test/robots.txt": whole(200, b"User-agent: *\nDisallow: /\n"),
        }
        urls = {way: web.url(f"/{way}") for way in PAGES}
        urls |= {way: url.format(port=web.port) for way, (url, _) in URLS.items()}
        urls["nobody_listens"] = f"http://web.test:{closed_port}/a.jpg"
        settings = FetchSettings(
            delay=0.0,
            per_host=8,
            retries=1,
            back_off=0.01,
            timeout=20.0,
            max_bytes=1_000_000,
            longest_wait=60.0,
            allowed_networks=("127.0.0.1/32",),
        )
        write_list(place / "list.jsonl", list(urls.values()))
        fetch(str(place / "list.jsonl"), str(place / "out"), settings, resolve=ask)
    return dict(zip(urls, status_rows(place / "out"), strict=True))


EXPECTED = {way: word for ways in (PAGES, URLS) for way, (_, word) in ways.items()} | {
    "nobody_listens": "connect_failed"
}


@pytest.mark.parametrize("way", EXPECTED)
def test_each_way_has_its_word(answers, way):
    """The status table says of each URL what became of it, in the word of the reference, with a reason."""
    row = answers[way]
    assert (row["status"], row["reason"]) == (EXPECTED[way], row["reason"])
    assert (row["reason"] is None) == (row["status"] == "ok")
    assert (row["sha256"] is None) == (row["status"] != "ok")


def test_no_password_is_written_down(answers):
    """A URL with a password stands in the table without it."""
    assert "secret" not in str(answers)
    assert "web.test" in answers["password"]["url"]


def test_what_passes_is_tried_again_and_nothing_else(answers):
    """A server that was busy is asked twice, a missing image once."""
    assert answers["busy_at_first"]["attempts"] == answers["always_busy"]["attempts"] == 2
    assert answers["missing"]["attempts"] == answers["busy_for_long"]["attempts"] == 1
    assert answers["not-for-us"]["attempts"] == 1


def test_redirects_are_told(answers):
    """Where an image was really found stands in its row."""
    row = answers["redirect_once"]
    assert (row["redirects"], row["final_url"].endswith("/a_picture")) == (1, True)


def slow_fetch(tmp_path, fetched, page, **settings):
    """The status of a server that is slow."""
    with Web() as web:
        web.pages = {"/slow": page}
        write_list(tmp_path / "list.jsonl", [web.url("/slow")])
        fetched(tmp_path / "list.jsonl", tmp_path / "out", retries=0, **settings)
    (row,) = status_rows(tmp_path / "out")
    return row["status"]


@pytest.mark.parametrize("page", [drip, drip_headers])
def test_dripping_is_ended(tmp_path, fetched, page):
    """Who sends a byte now and then is never silent, and is given up when the whole took too long."""
    assert slow_fetch(tmp_path, fetched, page, total_time=0.5) == "too_slow"


def test_silence_is_ended(tmp_path, fetched):
    """Who says nothing is given up, long before the whole took too long."""
    assert slow_fetch(tmp_path, fetched, silence, timeout=0.3) == "timeout"


@pytest.fixture
def impostor(tmp_path):
    """The port of a server that speaks TLS with a certificate that nobody signed but itself."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl to make a certificate")
    made = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=web.test"]
    subprocess.run([*made, "-keyout", tmp_path / "key", "-out", tmp_path / "cert"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(10)


def test_a_certificate_of_its_own_is_refused(tmp_path, fetched, impostor):
    """Nothing is taken from a server that cannot show who it is."""
    write_list(tmp_path / "list.jsonl", [f"https://web.test:{impostor}/a.jpg"])
    fetched(tmp_path / "list.jsonl", tmp_path / "out")
    (row,) = status_rows(tmp_path / "out")
    assert (row["status"], row["reason"]) == ("tls_error", "the certificate of the server is not valid")


def test_every_word_is_reached():
    """There is a way for each status, apart from those of a list that is damaged."""
    assert {*EXPECTED.values(), "too_slow", "timeout", "bad_row"} == set(STATUSES)
