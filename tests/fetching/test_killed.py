"""A fetch that is killed goes on, and ends as if it had not been."""

import os
import signal
import subprocess
import sys

import pytest
from tests.fetching.conftest import files_of, write_list
from tests.fetching.web import picture, whole

CODE = """
import sys
from tests.fetching.web import ask
from nemo_curator.fetching import FetchSettings, fetch
settings = FetchSettings(shard_size=10, delay=0.0, back_off=0.01, per_host=4, allowed_networks=("127.0.0.1/32",))
fetch(sys.argv[1], sys.argv[2], settings, resolve=ask)
"""


def command(tmp_path, output):
    """A process that fetches the list."""
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(tmp_path / "list.jsonl"), str(output)],
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
