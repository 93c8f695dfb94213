"""Who is let in: the token, and nobody who lacks it; pages of ours, and no other site."""

import pytest
from tests.report.pages import curated
from tests.report.serving import served

from nemo_curator.report.serving.access import HEADER

CHANGE = b'{"edition": 1, "rules": []}'


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A served run, and somebody who asks for it."""
    from nemo_curator.testing import encoded, photo

    folder = tmp_path_factory.mktemp("access") / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(encoded(photo(1, 80, 80), "PNG"))
    with served(curated(folder, folder.parent / "out")) as found:
        yield found


PATHS = ("/", "/api/images?edition=1", "/picture?edition=1&at=0", "/api/state", "/api/nothing")


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_told_without_the_token(client, path):
    """No token, a wrong one, part of it, and one in a query where none is looked for."""
    for headers in ({}, {HEADER: "wrong"}, {HEADER: client.token[:-1]}, {"Cookie": "imagecurator-1=x; ;=;\x01"}):
        status, _, data = client.raw("GET", path, **headers)
        assert status == 403
        assert client.token not in data.decode()
    assert client.raw("GET", f"/?token={client.token}x")[0] == 403
    assert client.raw("GET", f"/api/state?token={client.token}")[0] == 403
    assert client.raw("GET", "/?token=%ED%A0%80")[0] == 403


def test_the_address_opens_the_page_and_a_cookie_keeps_it_open(client):
    """The cookie is for this server alone, and no script and no other site sees it."""
    status, headers, _ = client.raw("GET", f"/?token={client.token}")
    cookie = headers["set-cookie"]
    assert status == 200
    assert cookie.startswith(f"imagecurator-{client.port}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    kept = cookie.partition(";")[0]
    for path in ("/", "/api/images?edition=1", "/picture?edition=1&at=0"):
        assert client.raw("GET", path, Cookie=f"other=1; {kept}")[0] == 200


def test_a_ticket_opens_the_page_once(client):
    """So that who sees a browser being started learns nothing that lasts."""
    path = client.serving.once().removeprefix(client.serving.origin)
    assert client.raw("GET", path)[0] == 200
    assert client.raw("GET", path)[0] == 403


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "evil.example:80",
        "localhost@evil.example",
        "",
        "127.0.0.1:x",
        "[::1",
        None,
    ],
)
def test_a_name_that_is_not_ours_is_refused(client, host):
    """Whatever a page's name was made to mean, its own name stands in the request."""
    status, headers, data = client.raw("GET", "/", Host=host, **{HEADER: client.token})
    assert (status, "127.0.0.1 and localhost alone" in data.decode()) == (403, True)
    assert "set-cookie" not in headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9", "127.0.0.1:65535", "LOCALHOST"])
def test_a_forwarded_port_is_ours(client, host):
    """Another port is no other site: it may be forwarded from another machine."""
    assert client.raw("GET", "/", Host=host, **{HEADER: client.token})[0] == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_are_refused_though_they_have_the_cookie(client, site):
    """Pages of other ports of this machine are of the same site, and get the cookie sent along."""
    cookie = client.serving.server.gate.cookie.partition(";")[0]
    for path in ("/", "/picture?edition=1&at=0", "/api/images?edition=1"):
        assert client.raw("GET", path, Cookie=cookie, Sec_Fetch_Site=site)[0] == 403
        assert client.raw("GET", path, Cookie=cookie, Sec_Fetch_Site="same-origin")[0] == 200


def test_a_change_needs_the_header_the_origin_and_its_type(client):
    """What forms, links and other sites can send is not enough, with the cookie or without."""
    cookie = client.serving.server.gate.cookie.partition(";")[0]
    for path in ("/api/decide", "/api/try", "/api/renew", "/api/nothing"):
        assert client.post(path, CHANGE, **{HEADER: None, "Cookie": cookie})[0] == 403
        assert client.post(path, CHANGE, **{HEADER: "wrong"})[0] == 403
        for origin in (None, "null", "https://evil.example", f"https://127.0.0.1:{client.port}", "http://127.0.0.1:1"):
            assert client.post(path, CHANGE, Origin=origin)[0] == 403
        for kind in (None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
            assert client.post(path, CHANGE, Content_Type=kind)[0] == 415
    assert client.get("/api/state") == {"edition": 1, "outdated": False}
    assert client.raw("GET", "/api/decide", **{HEADER: client.token})[0] == 404


def test_a_body_has_a_length_and_that_is_small(client):
    """Nothing is read of a body that is too long or does not say how long it is; a question has none."""
    assert client.post("/api/try", CHANGE, Content_Length="300000")[0] == 413
    assert client.post("/api/try", CHANGE, Content_Length="9" * 30)[0] == 413
    for wrong in (None, "-1", "x", "+3"):
        assert client.post("/api/try", CHANGE, Content_Length=wrong)[0] == 411
    assert client.post("/api/try", CHANGE, Transfer_Encoding="chunked")[0] == 411
    assert client.raw("GET", "/", b"x" * 10, **{HEADER: client.token})[0] == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_other_methods_are_unknown(client, method):
    """There is nothing to ask but questions, and nothing to change but by changes."""
    assert client.raw(method, "/", **{HEADER: client.token})[0] == 501


def test_the_server_is_on_this_machine_alone(client):
    """It is bound to the loopback device, and says nothing about what it is made of."""
    assert client.serving.server.server_address[0] == "127.0.0.1"
    _, headers, _ = client.file("/")
    assert headers["server"].strip() == "imagecurator"
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
