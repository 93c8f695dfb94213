"""Inputs on a web server, with ranges and without; nothing is written there."""

from __future__ import annotations

import functools
import importlib.util
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.cli.processes import imagecurator, sentence
from tests.objects.faulty_proxy import before
from tests.objects.material import local_files, made, same_everywhere

from nemo_curator import storage

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("aiohttp") is None,
    reason="there is no client for HTTP: the package aiohttp (extra `http`) is not installed",
)


class Quiet(SimpleHTTPRequestHandler):
    """Python's own server, which gives no ranges, without its log."""

    def log_message(self, *_):
        """Say nothing."""


class Ranges(Quiet):
    """The same with ranges."""

    def do_GET(self):
        """Answer one range of a file as such."""
        path, span = self.translate_path(self.path), self.headers.get("Range")
        if not span or path.endswith("/"):
            super().do_GET()
            return
        try:
            with open(path, "rb") as file:  # noqa: PTH123  (a path of the library)
                data = file.read()
        except OSError:
            self.send_error(404)
            return
        first, last = span.removeprefix("bytes=").split("-")
        found = data[int(first) : int(last) + 1]
        self.send_response(206 if found else 416)
        self.send_header("Content-Length", str(len(found)))
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(found) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(found)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The folder of an input, and the files of a run over it on this machine."""
    folder = made(tmp_path_factory.mktemp("web"))
    done = imagecurator("run", folder / "in", folder / "out", "-r", folder / "recipe.yaml")
    assert done.returncode == 0, done.stderr
    return folder, same_everywhere(local_files(folder / "out"))


@pytest.fixture(params=[Quiet, Ranges], ids=["whole", "ranges"])
def server(request, here):
    """A web server over the input; its port."""
    handler = functools.partial(request.param, directory=str(here[0]))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_index_of_files(server, here, tmp_path):
    """A folder that a server shows a page of is listed, read, and exported from again."""
    out = tmp_path / "out"
    done = imagecurator("run", f"http://127.0.0.1:{server}/in", out, "-r", here[0] / "recipe.yaml")
    assert done.returncode == 0, done.stderr
    assert same_everywhere(local_files(out)) == here[1]


def test_single_files_through_faults(server, here, tmp_path, monkeypatch):
    """Tars that are named one by one are read, also where every third request fails."""
    monkeypatch.setattr("nemo_curator.storage.retrying._FIRST", 0.0)
    arguments = ("-r", here[0] / "recipe.yaml", "-s", "split=")
    local, out = tmp_path / "local", tmp_path / "out"
    files = ("a.tar", "b.tar.gz")
    done = imagecurator("run", *(here[0] / "in" / name for name in files), local, *arguments)
    assert done.returncode == 0, done.stderr
    kinds = ("503", "reset", "cut")
    with before(server, lambda one: kinds[one.number // 3 % 3] if one.number % 3 == 0 else None) as proxy:
        done = imagecurator("run", *(f"{proxy.endpoint}/in/{name}" for name in files), out, *arguments)
        assert done.returncode == 0, done.stderr
        assert len(proxy.faults) > 2
    assert same_everywhere(local_files(out)) == same_everywhere(local_files(local))


def test_what_is_missing_or_fails(server, monkeypatch):
    """A file that is not there is missing; one that the server only fails to give is not taken for that."""
    monkeypatch.setattr("nemo_curator.storage.retrying._FIRST", 0.0)
    with before(server) as proxy:
        assert not storage.exists(f"{proxy.endpoint}/in/none.tar")
        with pytest.raises(FileNotFoundError):
            storage.open(f"{proxy.endpoint}/in/none.tar")
        proxy.schedule = lambda _: "503"
        for verb in (storage.exists, storage.open):
            with pytest.raises(storage_unreachable(), match="HTTP 503"):
                verb(f"{proxy.endpoint}/in/a.tar")


def storage_unreachable():
    """The error of a storage that fails."""
    from nemo_curator.errors import UnreachableError

    return UnreachableError


def test_nothing_is_written_there(server, here):
    """A web server as output or run directory is refused before anything is read."""
    base = f"http://127.0.0.1:{server}"
    for arguments in (("run", here[0] / "in", f"{base}/out"), ("score", here[0] / "in", f"{base}/run")):
        said = sentence(imagecurator(*arguments), 4)
        assert "nothing can be written there" in said
        assert "read only" in said
