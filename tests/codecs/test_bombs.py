"""Small files that would cost gigabytes: each has its documented verdict, and costs nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zlib

import pytest
from tests.codecs.bombs import BOMBS, deflated_zeros, jpeg, png, tar_with_a_gigabyte
from tests.codecs.fuzzing import REPOSITORY, Child
from tests.codecs.seeds import made_seeds

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.limits import DEFAULT_LIMITS
from nemo_curator.codecs.probe import probe

MOST = 64_000_000  # bytes of memory that a verdict may take

# the reader of a shard, in a process of its own, whose peak begins when it does
TAR = """
import json, sys
from tests.codecs.fuzz_child import forget_peak, peak
from nemo_curator.shards.tar_reader import read_tar
before = forget_peak()
samples = [(sample.image_id, sample.error, sample.detail, len(sample.image)) for sample in read_tar(sys.argv[1])]
print(json.dumps({"samples": samples, "growth": (peak() - before) * 1024}))
"""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_has_its_verdict_and_takes_no_memory(name):
    """Probing and decoding end in what is documented, with the figure and the limit, and within 64 MB."""
    make, right, words = BOMBS[name]
    data = make()
    assert len(data) < DEFAULT_LIMITS.bytes  # or its length alone would be its verdict
    with Child() as child:
        outcome = child.outcome(data)
    assert (outcome.code if outcome.kind == "error" else outcome.kind) in right, outcome
    assert words in outcome.text
    if outcome.code == "over_limit":
        assert "the limit of" in outcome.text
        assert "raise limits." in outcome.text
    assert outcome.growth < MOST


def test_the_large_pictures_are_valid_ones(tmp_path):
    """The same makers give pictures that decode where they are small, so that size alone is what refuses them."""
    for data, side in ((png(200, 200), 200), (jpeg(200), 200), (jpeg(200, progressive_scans=3), 200)):
        pixels = decode(data, probe(data))
        assert pixels.shape == (side, side, 3)
        assert pixels.min() == pixels.max()


def test_zeros_are_deflated_as_zlib_does():
    """The repeated code is a whole stream: it inflates to the bytes and the checksum that it says."""
    assert zlib.decompress(deflated_zeros(5_000_123, b"first")) == b"first" + bytes(5_000_123)


def test_a_gigabyte_in_a_tar_is_never_read(tmp_path):
    """A member over the limit is one record with both figures, its neighbour is read, and memory does not grow."""
    path = tar_with_a_gigabyte(tmp_path)
    assert path.stat().st_size > 10**9
    command = [sys.executable, "-c", TAR, str(path)]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    told = json.loads(done.stdout)
    huge, good = told["samples"]
    assert huge[1] == "over_limit"
    assert "1000000000" in huge[2].replace(",", "")
    assert "64000000" in huge[2].replace(",", "")
    assert good[1:] == ["", "", len(made_seeds()["jpeg-baseline"])]
    assert told["growth"] < MOST


def test_a_death_belongs_to_one_file():
    """A process that a file ends is seen from outside, and the next file is read by another one."""
    good = made_seeds()["png-rgb"]
    with Child() as child:
        first = child.outcome(good)
        os.kill(child.pid, signal.SIGSTOP)  # so that the signal below finds it with a file in its hands
        os.kill(child.pid, signal.SIGSEGV)
        os.kill(child.pid, signal.SIGCONT)
        assert child.outcome(good).name == "died SIGSEGV"
        assert child.outcome(good).same == first.same


def test_a_hang_belongs_to_one_file():
    """A file that takes longer than it may is ended from outside, and the next one is read."""
    endless = jpeg(8000, progressive_scans=80)
    good = made_seeds()["png-rgb"]
    with Child(hang=0.3) as child:
        assert child.outcome(good).kind == "picture"
        assert child.outcome(endless).kind == "hung"
        assert child.outcome(good).kind == "picture"
