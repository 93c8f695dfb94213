"""URLs in their normal form."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.fetching.statuses import Trouble
from nemo_curator.fetching.urls import Target, follow, parse_url


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("HTTP://Example.COM:80/a.jpg", "http://example.com/a.jpg"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        (" http://example.com/a#b \n", "http://example.com/a"),
        ("http://example.com?x=1", "http://example.com/?x=1"),
        ("http://example.com./a", "http://example.com/a"),
        ("http://example.com/a/./b/../c.jpg", "http://example.com/a/c.jpg"),
        ("http://example.com/../../a", "http://example.com/a"),
        ("http://example.com/a//b/", "http://example.com/a//b/"),
        ("http://example.com/ä b.jpg?q=ö", "http://example.com/%C3%A4%20b.jpg?q=%C3%B6"),
        ("http://example.com/a%2Fb%20c", "http://example.com/a%2Fb%20c"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://1.2.3.4/a", "http://1.2.3.4/a"),
        ("http://[2606:4700::0:1111]:8080/a", "http://[2606:4700::1111]:8080/a"),
    ],
)
def test_one_spelling_for_one_thing(text, normal):
    """Spellings that mean the same are one URL."""
    assert parse_url(text).text == normal


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "bad_url"),
        ("example.com/a.jpg", "bad_url"),
        ("//example.com/a.jpg", "bad_url"),
        ("http:///a.jpg", "bad_url"),
        ("http://", "bad_url"),
        ("http://exa mple.com/", "bad_url"),
        ("http://example.com:0/", "bad_url"),
        ("http://example.com:x/", "bad_url"),
        ("http://example.com:65536/", "bad_url"),
        ("http://a@example.com/", "bad_url"),
        ("http://good.example\\@bad.example/", "bad_url"),
        ("http://good.example\\.bad.example/", "bad_url"),
        ("http://exam%70le.com/", "bad_url"),
        ("http://127.1/", "bad_url"),
        ("http://0x7f.0.0.1/", "bad_url"),
        ("http://0177.0.0.1/", "bad_url"),
        ("http://2130706433/", "bad_url"),
        ("http://1.2.3.256/", "bad_url"),
        ("http://[::1%25eth0]/", "bad_url"),
        ("http://[fe80::1%eth0]/", "bad_url"),
        ("http://[::1/", "bad_url"),
        ("http://[v1.x]/", "bad_url"),
        ("http://example.com/a\x00b", "bad_url"),
        ("http://example.com/\ud800", "bad_url"),
        (f"http://{'a' * 64}.example/", "bad_url"),
        (f"http://example.com/{'a' * 9000}", "bad_url"),
        (f"http://example.com/{'ä' * 3000}", "bad_url"),
        ("ftp://example.com/a", "bad_scheme"),
        ("file:///etc/passwd", "bad_scheme"),
        ("javascript:alert(1)", "bad_scheme"),
        ("http://example.com:22/", "bad_port"),
        ("https://example.com:6379/", "bad_port"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text, word):
    """Nothing is guessed about a URL that is none, or that other programs read otherwise."""
    with pytest.raises(Trouble) as raised:
        parse_url(text)
    assert raised.value.status == word
    assert "example" not in raised.value.reason  # reasons are the same for all


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("/b", "http://example.com/b"),
        ("b", "http://example.com/x/b"),
        ("//other.example/b", "http://other.example/b"),
        ("https://other.example", "https://other.example/"),
        ("?q", "http://example.com/x/a?q"),
    ],
)
def test_redirects_are_resolved(location, found):
    """A redirect may be relative, in all the usual ways."""
    assert follow(parse_url("http://example.com/x/a"), location).text == found


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_trouble(text):
    """No text makes the parser fail, with and without a scheme before it."""
    for one in (text, f"http://{text}", f"http://example.com/{text}"):
        try:
            target = parse_url(one)
        except Trouble:
            continue
        assert target.text.isascii()
        assert not set(target.text) & set(' \r\n\t"<>\\^`{}')
        assert target.path.startswith("/")


HOSTS = st.from_regex(r"[a-z][a-z0-9]{0,10}(\.[a-z][a-z0-9]{0,10}){0,3}", fullmatch=True)
PATHS = st.text(string.ascii_letters + string.digits + "/.%?&=äß ~", max_size=40)


@given(HOSTS, PATHS, st.sampled_from(["http", "https"]), st.integers(20000, 65535))
def test_the_normal_form_is_its_own(host, path, scheme, port):
    """Parsing a URL again changes nothing."""
    first = parse_url(f"{scheme}://{host}:{port}/{path}")
    assert parse_url(first.text) == first
    assert isinstance(first, Target)
