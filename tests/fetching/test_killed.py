"""A fetch that is killed goes on, and ends as if it had not been."""

import os
import signal
import subprocess
import sys

import pytest
from tests.fetching.conftest import files_of, status_rows, write_list
from tests.fetching.web import picture, silence, whole

CODE = """
import sys
from tests.fetching.web import ask
from nemo_curator.fetching import FetchSettings, fetch
settings = FetchSettings(shard_size=10, delay=0.0, back_off=0.01, per_host=4, allowed_networks=("127.0.0.1/32",))
fetch(sys.argv[1], sys.argv[2], settings, resolve=ask)
"""


# what a cell of a notebook does, where an event loop runs already
CELL = """
import asyncio, signal, sys
from tests.fetching.web import ask
from nemo_curator.fetching import FetchSettings, fetch
signal.signal(signal.SIGINT, signal.default_int_handler)
settings = FetchSettings(delay=0.0, connections=1, retries=0, allowed_networks=("127.0.0.1/32",))
async def cell():
    fetch(sys.argv[1], sys.argv[2], settings, resolve=ask)
asyncio.new_event_loop().run_until_complete(cell())
"""


def command(tmp_path, output, code=CODE):
    """A process that fetches the list."""
    return subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "list.jsonl"), str(output)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("after", [1, 17, 38])
def test_killed_and_gone_on_gives_the_same_bytes(tmp_path, web, after):
    """Killed at some picture and started again, the files are those of one go, and next to nothing is asked twice."""
    pytest.importorskip("aiohttp", reason="aiohttp belongs to the extra fetch")
    web.pages = {f"/{at}.jpg": whole(200, picture(at)) for at in range(40)}
    urls = [web.url(f"/{at}.jpg") for at in range(40)] + [web.url("/gone"), "ftp://a", web.url("/3.jpg")]
    write_list(tmp_path / "list.jsonl", urls, caption=[f"picture {at}" for at in range(43)])
    whole_one = command(tmp_path, tmp_path / "whole")
    assert whole_one.wait(120) == 0, whole_one.stderr.read()
    whole_one.stderr.close()

    web.asked.clear()
    running = command(tmp_path, tmp_path / "killed")

    def blow(connection, _):
        """The picture at which the other process is killed."""
        running.send_signal(signal.SIGKILL)
        running.wait(60)

    picture_at = f"/{after}.jpg"
    web.pages[picture_at] = [blow, whole(200, picture(after))]
    assert running.wait(120) == -signal.SIGKILL
    running.stderr.close()
    before = {path for _, path in web.asked}
    goes_on = command(tmp_path, tmp_path / "killed")
    assert goes_on.wait(120) == 0, goes_on.stderr.read()
    goes_on.stderr.close()
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")
    twice = {path for path in before if web.asked.count(("web.test", path)) > 1} - {"/robots.txt", picture_at}
    assert len(twice) <= 4  # those under way when it died, no more than `per_host`


def test_ctrl_c_in_a_notebook_ends_the_fetch(tmp_path, web):
    """What interrupts a cell ends the requests too: nothing more is asked, and the next call goes on."""
    pytest.importorskip("aiohttp", reason="aiohttp belongs to the extra fetch")
    web.pages = {f"/{at}.jpg": whole(200, picture(at)) for at in range(3)}
    write_list(tmp_path / "list.jsonl", [web.url(f"/{at}.jpg") for at in range(3)])
    running = command(tmp_path, tmp_path / "out", CELL)

    def interrupt(connection, web):
        """Ctrl-C while a server is silent."""
        running.send_signal(signal.SIGINT)
        silence(connection, web)

    web.pages["/0.jpg"] = [interrupt, whole(200, picture(0))]
    _, said = running.communicate(timeout=60)
    assert (running.returncode, said.splitlines()[-1]) == (-signal.SIGINT, b"KeyboardInterrupt")
    assert (web.count("/0.jpg"), web.count("/1.jpg")) == (1, 0)
    goes_on = command(tmp_path, tmp_path / "out", CELL)
    assert (goes_on.communicate(timeout=60)[1], goes_on.returncode) == (b"", 0)
    assert sum(row["status"] == "ok" for row in status_rows(tmp_path / "out")) == 3
