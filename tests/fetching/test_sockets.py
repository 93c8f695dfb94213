"""Open sockets: never many more than requests at a time, and this machine's limits are no answer of a server."""

import errno
import resource
from types import SimpleNamespace

import pytest
from tests.fetching.conftest import write_list
from tests.fetching.web import PICTURE, whole

from nemo_curator.errors import CuratorError
from nemo_curator.fetching.sockets import Sockets, own_error


def test_many_hosts_leave_few_sockets_open(tmp_path, web, fetched, monkeypatch):
    """Connections are kept for the next request as long as they are few, however many hosts a list has."""
    seen, make = [], Sockets.__call__

    def counted(self, info):
        """Make a socket and write down how many are open."""
        made = make(self, info)
        seen.append(self.open)
        return made

    monkeypatch.setattr(Sockets, "__call__", counted)
    web.pages["/a.jpg"] = whole(200, PICTURE)
    write_list(tmp_path / "list.jsonl", [web.url("/a.jpg", f"h{at}.web.test") for at in range(60)])
    assert fetched(tmp_path / "list.jsonl", tmp_path / "out", connections=4, robots=False).ok == 60
    assert len(seen) >= 50
    assert max(seen) <= 8


def test_a_host_is_asked_through_connections_that_stand(tmp_path, web, fetched, monkeypatch):
    """Many images of one host take few connections."""
    made, make = [], Sockets.__call__
    monkeypatch.setattr(Sockets, "__call__", lambda self, info: made.append(1) or make(self, info))
    web.pages |= {f"/{at}.jpg": whole(200, PICTURE) for at in range(30)}
    write_list(tmp_path / "list.jsonl", [web.url(f"/{at}.jpg") for at in range(30)])
    assert fetched(tmp_path / "list.jsonl", tmp_path / "out", per_host=2).ok == 30
    assert len(made) < 10


def test_a_machine_without_sockets_ends_the_fetch(tmp_path, web, fetched, monkeypatch):
    """Where this machine can open nothing more the fetch ends with a sentence, and no row is blamed on a server."""

    def none_left(*_):
        """What the system says."""
        raise OSError(errno.EMFILE, "Too many open files")

    web.pages["/a.jpg"] = whole(200, PICTURE)
    write_list(tmp_path / "list.jsonl", [web.url("/a.jpg")])
    with monkeypatch.context() as patched:
        patched.setattr("nemo_curator.fetching.sockets.socket", SimpleNamespace(socket=none_left))
        with pytest.raises(CuratorError, match="too many files and connections are open"):
            fetched(tmp_path / "list.jsonl", tmp_path / "out")
    assert fetched(tmp_path / "list.jsonl", tmp_path / "out").statuses == {"ok": 1}


def test_limits_are_found_behind_other_errors():
    """What an error was raised from is looked at too; a server that refuses is none of it."""
    outer = RuntimeError("it failed")
    outer.__cause__ = OSError(errno.ENOBUFS, "no room")
    assert own_error(outer) is outer.__cause__
    assert own_error(ConnectionRefusedError(errno.ECONNREFUSED, "no")) is None


def test_as_many_files_as_the_system_allows(tmp_path, fetched):
    """A fetch may open as many files as the system allows to this process."""
    (tmp_path / "list.csv").write_text("url\n")
    fetched(tmp_path / "list.csv", tmp_path / "out")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
