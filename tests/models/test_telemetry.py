"""No runtime tells anybody anything: watched from inside Python and, where it can be, from outside the process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from tests.models.numerics_here import EVERY, or_skip
from tests.models.tiny_towers import TOWERS

# what a process says of itself: every event of sockets that Python sees, and the modules that came along
WATCHED = """
import json, sys
seen = []
def hook(event, arguments):
    if event.startswith("socket."):
        seen.append([event, repr(arguments)])
sys.addaudithook(hook)
{work}
print(json.dumps({{"seen": seen, "modules": sorted(sys.modules)}}))
"""

TOWER = """
import numpy as np
from nemo_curator.models import registry
from nemo_curator.models.numerics import Numerics
model = registry.create("owner/siglip", 2, {folder!r}, Numerics({runtime!r}, {precision!r}))
model.setup()
assert model(np.zeros((3, 40, 40, 3), np.uint8)).shape == (3, 32)
"""

GRAPH = """
import numpy as np
from nemo_curator.models import registry
from nemo_curator.models.numerics import Numerics
model = registry.create("open-nsfw", 1, None, Numerics({runtime!r}))
model.setup()
assert model(np.zeros((2, 224, 224, 3), np.uint8)).shape == (2,)
"""

CONVERSATION = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    pass
"""


def watched(work, *before, environment=None):
    """What a process of its own said of itself while it did some work."""
    command = [*before, sys.executable, "-c", WATCHED.format(work=work)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def strace(tmp_path):
    """A command that writes down each system call about sockets, of native threads too; and where it writes."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not installed")
    log = tmp_path / "calls"
    before = [program, "-f", "-qq", "-e", "trace=%network", "-o", str(log)]
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not watch processes here")
    return before, log


def calls_to_the_network(log):
    """Lines of a log of system calls that are about the network, and not about sockets inside this machine."""
    return [line for line in log.read_text().splitlines() if "AF_INET" in line or "AF_PACKET" in line]


@pytest.fixture
def folder(tmp_path):
    """A directory of models with one tiny tower."""
    TOWERS["siglip"].write(tmp_path / "models" / "owner" / "siglip")
    return str(tmp_path / "models")


@pytest.mark.parametrize("numerics", EVERY, ids=str)
def test_loading_and_running_a_tower_opens_no_socket(numerics, folder):
    """Not one event of a socket is seen, and the package that would report to OpenVINO's makers is never imported."""
    or_skip(numerics)
    told = watched(TOWER.format(folder=folder, **numerics.facts()))
    assert told["seen"] == []
    assert not [name for name in told["modules"] if name.startswith("openvino_telemetry")]
    assert numerics.runtime in told["modules"]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_loading_and_running_a_graph_opens_no_socket(runtime):
    """The same for the embedded models, whose graphs OpenVINO reads as ONNX."""
    numerics = next(one for one in EVERY if one.runtime == runtime)
    or_skip(numerics)
    told = watched(GRAPH.format(runtime=runtime))
    assert told["seen"] == []
    assert not [name for name in told["modules"] if name.startswith("openvino_telemetry")]


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_no_native_thread_opens_a_connection(runtime, folder, strace):
    """Seen by the system: what a runtime does outside Python reaches for no network either."""
    numerics = next(one for one in EVERY if one.runtime == runtime)
    or_skip(numerics)
    before, log = strace
    watched(TOWER.format(folder=folder, **numerics.facts()), *before)
    assert calls_to_the_network(log) == []


def test_the_watch_sees_a_conversation(strace):
    """Both ways of watching see a connection that is really made, so that seeing none means something."""
    before, log = strace
    told = watched(CONVERSATION, *before)
    assert {"socket.bind", "socket.connect"} <= {event for event, _ in told["seen"]}
    assert any("connect(" in line for line in calls_to_the_network(log))


def test_the_hook_sees_a_conversation():
    """The same where there is no strace."""
    told = watched(CONVERSATION)
    assert {"socket.bind", "socket.connect"} <= {event for event, _ in told["seen"]}


@pytest.fixture
def home(tmp_path):
    """An empty home, and the environment of a user in it whose wishes nobody knows."""
    place = tmp_path / "home"
    place.mkdir()
    wishes = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "XDG_CACHE_HOME")
    kept = {name: value for name, value in os.environ.items() if name not in wishes and not name.startswith("ORT_")}
    return place, {**kept, "HOME": str(place)}


def left_in(place):
    """Names of the files that a process left in a home."""
    return sorted(path.name for path in place.rglob("*") if path.is_file())


def test_onnxruntime_keeps_no_identifier_and_no_events(folder, home):
    """ONNX Runtime writes neither an identifier of this machine nor a queue of events into the user's home."""
    place, environment = home
    watched(TOWER.format(folder=folder, runtime="onnxruntime", precision="fp32"), environment=environment)
    assert left_in(place) == []


def test_onnxruntime_that_was_there_before_us_is_told_too(folder):
    """Where somebody imported it before, it is told to send no events before our first session is made."""
    work = "import onnxruntime\ncalls = []\nreal = onnxruntime.disable_telemetry_events\n"
    work += "onnxruntime.disable_telemetry_events = lambda: (calls.append(1), real())\n"
    work += "made = onnxruntime.InferenceSession\n"
    work += "onnxruntime.InferenceSession = lambda *a, **k: (calls.append(2), made(*a, **k))[1]\n"
    work += TOWER.format(folder=folder, runtime="onnxruntime", precision="fp32") + "assert calls == [1, 2], calls\n"
    assert watched(work)["seen"] == []


def test_two_models_may_be_loaded_at_once():
    """Whoever comes second waits for the whole module, and does not get one that is half imported."""
    pytest.importorskip("openvino", reason="openvino is an extra")
    code = (
        "from concurrent.futures import ThreadPoolExecutor as Pool\n"
        "from nemo_curator.models.runtimes.openvino_session import openvino\n"
        "print(len({id(one.opset13) for one in Pool(8).map(lambda _: openvino(), range(8))}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "1", done.stderr
