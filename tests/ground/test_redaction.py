"""Secrets of URLs stay out of messages, whoever writes them."""

import pickle

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator import storage
from nemo_curator.errors import CuratorError, InputError, UnreachableError, UnreadableError
from nemo_curator.pipeline.output import check_places, check_run_place
from nemo_curator.pipeline.policy import anchored
from nemo_curator.planning.recipe import Recipe
from nemo_curator.redaction import holds_secret, redacted, secrets_of, without
from nemo_curator.runs.layout import RunDirectory

SECRETS = [
    ("https://me:s3cret@host/a", "https://…@host/a"),
    ("https://s3cret@host/a", "https://…@host/a"),
    ("zip://a.tar::ftp://me:s3cret@host/a", "zip://a.tar::ftp://…@host/a"),
    ("HTTP://me:s3cret@host:8080", "HTTP://…@host:8080"),
    ("socks5://:s3cret@host", "socks5://…@host"),
    ("s3://KEY:s3cret/a+b==@bucket/a", "s3://…@bucket/a"),
    ("https://me:s3#cr'et@host/a", "https://…@host/a"),
    ("https://me:s3@cret@host", "https://…@host"),
    ("https://me:1234@host/a@b", "https://…@host/a@b"),
    ("https://host/a?X-Amz-Signature=s3cret&b=1", "https://host/a?X-Amz-Signature=…&b=1"),
    ("https://host/a?b=1&sig=s3cret", "https://host/a?b=1&sig=…"),
    ("https://host/a?access_token=s3cret", "https://host/a?access_token=…"),
]
HARMLESS = [
    "a@b/c.jpg",
    "file:///data/a@b:c.jpg",
    "s3://bucket/a@b.tar",
    "sftp://me@host/a",
    "abfs://container@account.host/a",
    "https://host/a@b?page=2&monkey=3&author=4",
    "where: 'a = b; c'",
    "https://[::1]:80/a@b",
    "https://host:80/a@b",
    "https://host:80 and me@b",
    "",
]


@pytest.mark.parametrize(("url", "left"), SECRETS)
def test_secrets_of_urls_are_taken_out(url, left):
    """User information and signed queries go, wherever the URL stands; all else stays."""
    assert redacted(url) == left
    assert redacted(f"cannot open '{url}' (twice: {url})") == f"cannot open '{left}' (twice: {left})"
    assert holds_secret(url)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text):
    """Names of users, containers and files are no secrets."""
    assert redacted(text) == text
    assert not holds_secret(text)


@given(st.text() | st.sampled_from([one for one, _ in SECRETS]).map(lambda url: f"a {url} b"))
def test_twice_is_as_once(text):
    """What is redacted already is left as it is."""
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize("unit", ["a", "a://b:c@", "?key=", "@", "https://a:b?@", "a:"])
def test_hostile_text_costs_no_more_than_its_length(unit):
    """Ids of images stand in messages; of a hundred thousand characters each form ends within the limit of a test."""
    for text in (f"{unit * 100_000}://", f"https://me:{unit * 100_000}"):
        redacted(text)


def test_secrets_of_an_environment():
    """Passwords of proxies and mirrors are found as written and as sent, and taken out of any text."""
    secrets = list(secrets_of({"HTTPS_PROXY": "http://me:p%40ss-word@host:1", "HF_ENDPOINT": "https://t0ken@hub"}))
    assert without("Basic p@ss-word, p%40ss-word of me:p@ss-word; t0ken", secrets) == "Basic …, … of …; …"
    assert list(secrets_of({"PATH": "/bin", "HOME": "/a@b", "URL": "https://host/a@b"})) == []


@pytest.mark.parametrize("field", ["what", "where", "cause", "act"])
@pytest.mark.parametrize(("url", "left"), SECRETS[:1])
def test_no_error_of_ours_tells_a_secret(url, left, field):
    """Whatever field a URL is put into, its secret is in none of them, not in the sentence, and not in a pickle."""
    error = CuratorError(**{"what": "it failed", field: f"at {url}"})
    assert left in str(error)
    assert "s3cret" not in f"{error}{error!r}{vars(error)}"
    assert b"s3cret" not in pickle.dumps(error)
    late = UnreadableError("it failed")
    setattr(late, field, url)
    assert "s3cret" not in str(late)


class Refusing(MemoryFileSystem):
    """A storage whose failures tell the whole URL, as those of HTTP do."""

    protocol = "refusing"
    cachable = False

    def info(self, path, **_):
        """Fail as an HTTP client does."""
        raise ValueError(f"401 for https://me:s3cret@host/{path}")


def test_a_storage_that_tells_its_url():
    """What a storage raises is told without the secrets of its URL."""
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    with pytest.raises(UnreachableError, match="401 for https://…@host") as caught:
        storage.stat("refusing://me:s3cret@host/a")
    assert "s3cret" not in str(caught.value)


def test_secrets_are_not_written_into_a_run():
    """A URL with a password is refused as input, output, run directory and list of a recipe; nothing is written yet."""
    url, run = "memory://me:s3cret@host/a", RunDirectory("memory://run")
    for refused in (
        lambda: check_places(url, run, []),
        lambda: check_places("memory://b", run, [url]),
        lambda: check_run_place(RunDirectory(url), []),
        lambda: anchored(Recipe(deny=url)),
    ):
        with pytest.raises(InputError, match="holds a password or a token") as caught:
            refused()
        assert "s3cret" not in str(caught.value)
