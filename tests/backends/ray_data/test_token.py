"""A cluster that a run starts for itself leaves no token in the user's home."""

from __future__ import annotations

import os

import pytest

from nemo_curator.backends.ray_data.ray_module import token_of_our_own


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home in which nothing is, of a user who said nothing of tokens."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("MODE", "TOKEN", "TOKEN_PATH"):
        monkeypatch.setenv(f"RAY_AUTH_{name}", "")  # so that it is put back afterwards
        monkeypatch.delenv(f"RAY_AUTH_{name}")
    return tmp_path


@pytest.mark.parametrize("mode", [None, "token"])
def test_a_token_of_our_own(home, monkeypatch, mode):
    """Where there is none, another one each time."""
    if mode:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    token_of_our_own()
    first = os.environ.pop("RAY_AUTH_TOKEN")
    token_of_our_own()
    assert len(first) == 64
    assert os.environ["RAY_AUTH_TOKEN"] != first


@pytest.mark.parametrize(
    ("name", "value"), [("RAY_AUTH_TOKEN", "t"), ("RAY_AUTH_TOKEN_PATH", "/t"), ("RAY_AUTH_MODE", "disabled")]
)
def test_what_the_user_said_stays(home, monkeypatch, name, value):
    """A token, a file of one, or that none is wanted."""
    monkeypatch.setenv(name, value)
    before = dict(os.environ)
    token_of_our_own()
    assert dict(os.environ) == before


def test_the_users_own_file(home):
    """It is Ray's to read."""
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("t")
    token_of_our_own()
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_a_home_that_is_nowhere(home, monkeypatch):
    """A container's user may have none."""
    monkeypatch.setenv("HOME", str(home / "absent" / "home"))
    token_of_our_own()
    assert os.environ["RAY_AUTH_TOKEN"]
