"""Ctrl-C after models ran: a process hears it, whichever thread loaded a model and whichever gave it up."""

import subprocess
import sys

import pytest
from tests.models.numerics_here import EVERY, or_skip

WORK = """
import gc, signal, threading
import numpy as np
from nemo_curator.models import registry
from nemo_curator.models.numerics import Numerics

held = []

def load():
    held.append(registry.create("open-nsfw", 1, None, Numerics({runtime!r})))
    held[-1].setup()
    held[-1](np.zeros((1, 224, 224, 3), np.uint8))

def give_up():
    held.clear()
    gc.collect()

def elsewhere(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

signal.signal(signal.SIGINT, signal.default_int_handler)
for loading, giving_up in [(load, lambda: elsewhere(give_up)), (lambda: elsewhere(load), give_up)]:
    loading()
    giving_up()
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        print("heard")
"""


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_ctrl_c_is_heard_after_models_were_given_up(runtime):
    """A model that another thread gives up takes nothing along that a signal needs."""
    or_skip(next(one for one in EVERY if one.runtime == runtime))
    command = [sys.executable, "-c", WORK.format(runtime=runtime)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["heard", "heard"], "")
