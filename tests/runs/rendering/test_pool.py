"""Processes that render: answers in any order, and children that crash or hang."""

from __future__ import annotations

import dataclasses
import os
import signal
import struct
import sys
import time

import pytest

from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.codecs.rendering import render
from nemo_curator.codecs.rendition import Encode, Rendition, Resize, Target
from nemo_curator.errors import StageError
from nemo_curator.runs.rendering import RenderPool, Unrendered, process, render_workers
from nemo_curator.runs.rendering.process import AskedProcess, DiedError
from nemo_curator.runs.rendering.worker import as_text, from_text
from nemo_curator.testing import encoded, photo

SMALL = Rendition(Resize(48), Encode("jpeg", 80))
ECHO = """
import os, signal, struct, sys, time
from nemo_curator.runs.rendering.allowance import allowed, obey
obey()
out = os.fdopen(1, "wb", 0)
out.write(b"+")
while head := sys.stdin.buffer.read(16):
    length, seconds = struct.unpack("<Qd", head)
    data = sys.stdin.buffer.read(length)
    if data == b"deaf": time.sleep(600)
    with allowed(seconds):
        if data == b"crash": os.kill(os.getpid(), signal.SIGSEGV)
        if data == b"wait": time.sleep(600)
        while data == b"spin": pass
    out.write(struct.pack("<Q", len(data)) + data)
"""


@pytest.fixture
def echo(tmp_path, monkeypatch):
    """Starts children that answer what they are asked, and crash or hang on demand."""
    (tmp_path / "echoing.py").write_text(ECHO)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return lambda: AskedProcess("echoing", struct.Struct("<Q"))


def test_answers(echo):
    """Requests of any length come back, one after another, also those longer than a pipe."""
    child = echo()
    for data in (b"", b"short", os.urandom(5_000_000)):
        assert child.ask(data, 60) == ((len(data),), data)
    child.close()


@pytest.mark.parametrize(("request_", "seconds"), [(b"crash", 60), (b"spin", 0.1), (b"wait", 0.02), (b"deaf", 0.01)])
def test_deaths(echo, monkeypatch, request_, seconds):
    """A crash, and an answer that takes too long by any clock, are one error, and the child is gone."""
    if request_ == b"deaf":
        monkeypatch.setattr(process, "_GRACE", 0.1)
    child = echo()
    assert child.ask(b"a", 60)[1] == b"a"
    with pytest.raises(DiedError):
        child.ask(request_, seconds)
    with pytest.raises(DiedError):
        child.ask(b"a", 60)


@pytest.mark.parametrize(("request_", "signals"), [(b"spin", signal.SIGPROF), (b"wait", signal.SIGALRM)])
def test_a_child_without_a_parent_ends(echo, request_, signals):
    """A child that hangs ends by its own timers, though nobody is left to end it."""
    child = echo()
    child._start()
    os.write(child._requests, process.REQUEST.pack(4, 0.1) + request_)
    assert child._child.wait(120) == -signals
    child.close()


def test_time_between_images_is_not_counted(echo):
    """The timers run while an image is made, and not while a child waits for the next."""
    child = echo()
    assert child.ask(b"a", 0.1)[1] == b"a"
    time.sleep(1.2)
    assert child.ask(b"b", 60)[1] == b"b"
    child.close()


def test_larger_and_slower_formats_may_take_longer():
    """Three times the limit, and so much for each million pixels by the format."""
    seconds = [SMALL.seconds(Target(form, 2000, 1000)) for form in ("jpeg", "png", "webp", "avif")]
    assert seconds == [32.0, 38.0, 38.0, 70.0]


def test_the_pool_makes_what_this_process_would():
    """Every image comes back as `render` makes it, whichever child made it."""
    images = [encoded(photo(number, 120, 80)) for number in range(6)]
    with RenderPool(SMALL, 2) as pool:
        futures = [pool.submit(one, 60) for one in images]
        assert [one.result() for one in futures] == [render(one, SMALL) for one in images]


def test_what_waits_is_bounded_in_bytes(monkeypatch):
    """Images that nobody asks for stay where they were made, beyond some bytes; asked for in order, all are there."""
    monkeypatch.setattr("nemo_curator.runs.rendering.pool._RESULTS", 1)
    images = [encoded(photo(number, 120, 80)) for number in range(6)]
    with RenderPool(SMALL, 2) as pool:
        waiting = [pool.submit(one, 60) for one in images]
        while not any(one.done() for one in waiting):
            time.sleep(0.01)
        assert waiting[0].result() == render(images[0], SMALL)  # with which its child has gone on to another one
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            assert sum(one.done() for one in waiting[1:]) <= 1
            time.sleep(0.01)
        assert [one.result() for one in waiting[1:]] == [render(one, SMALL) for one in images[1:]]


def test_who_asks_out_of_turn_waits_for_what_is_before(monkeypatch):
    """An image is there when it is asked for, though earlier ones take all the room and the only child."""
    monkeypatch.setattr("nemo_curator.runs.rendering.pool._RESULTS", 1)
    images = [encoded(photo(number, 120, 80)) for number in range(4)]
    with RenderPool(SMALL, 1) as pool:
        waiting = [pool.submit(one, 60) for one in images]
        assert waiting[3].result() == render(images[3], SMALL)
        assert waiting[0].result() == render(images[0], SMALL)


def test_a_pool_ends_though_something_waits_for_room(monkeypatch):
    """What nobody asked for keeps no process and no thread."""
    monkeypatch.setattr("nemo_curator.runs.rendering.pool._RESULTS", 1)
    with RenderPool(SMALL, 2) as pool:
        waiting = [pool.submit(encoded(photo(number, 120, 80)), 60) for number in range(4)]
        while not any(one.done() for one in waiting):
            time.sleep(0.01)
    assert all(child._child.poll() is not None for child in pool._children)


def test_what_cannot_be_made_says_why():
    """An image that does not decode is a sentence, and the next one is made."""
    with RenderPool(SMALL, 1) as pool:
        bad, good = pool.submit(b"nothing", 60), pool.submit(encoded(photo(1)), 60)
        assert bad.result() == Unrendered("the first bytes are of no known image format")
        assert good.result() == render(encoded(photo(1)), SMALL)


def test_what_kills_two_children_is_given_up():
    """An image that takes too long in two children is told of, and the next one is made by a third."""
    with RenderPool(SMALL, 1) as pool:
        reason = pool.submit(encoded(photo(1, 6000, 4000)), 0.001).result().reason
        assert "crashed twice, or took longer than 0.001 s of processor time" in reason
        assert pool.submit(encoded(photo(1)), 60).result() == render(encoded(photo(1)), SMALL)


def test_a_child_that_is_killed_is_replaced():
    """A child that the system kills between two images costs nothing."""
    with RenderPool(SMALL, 1) as pool:
        first = pool.submit(encoded(photo(1)), 60).result()
        os.kill(pool._children[0]._child.pid, signal.SIGKILL)
        assert pool.submit(encoded(photo(1)), 60).result() == first


@pytest.mark.parametrize("interpreter", ["/nowhere/python", "/bin/false"])
def test_children_that_cannot_start(monkeypatch, interpreter):
    """Where no child starts, that is an error of the export, and no fault of the image."""
    monkeypatch.setattr(sys, "executable", interpreter)
    with RenderPool(SMALL, 1) as pool, pytest.raises(StageError, match="could not be started"):
        pool.submit(encoded(photo(1)), 60).result()


def test_nothing_stays_behind():
    """At the end of the block the children are gone, also those that are at work."""
    begun = time.monotonic()
    with RenderPool(SMALL, 1) as pool:
        pool.submit(encoded(photo(1)), 60).result()
        for number in range(50):
            pool.submit(encoded(photo(number, 900, 700)), 60)
    assert all(child._child.poll() is not None for child in pool._children)
    assert time.monotonic() - begun < 600


def test_workers_fit_into_memory():
    """There is at least one, and never more than memory has room for, also where more are asked for."""
    tiny = dataclasses.replace(SMALL, limits=Limits(memory=1_000_000, bytes=1_000_000))
    assert render_workers(tiny, 2, 10_000_000_000) == 2
    assert render_workers(SMALL, 7, 3_000_000_000) == 2
    assert render_workers(SMALL, None, 1_000_000) == 1
    assert render_workers(dataclasses.replace(SMALL, limits=Limits(memory=1 << 50)), 7) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only there can a process bound its own memory")
def test_resizing_keeps_within_memory():
    """A picture whose resizing takes more than the limit is told of, though decoding and encoding take less."""
    large = Rendition(Resize(8_000, enlarge=True), Encode("png"), Limits(memory=150_000_000))
    with RenderPool(large, 1) as pool:
        assert "memory" in pool.submit(encoded(photo(1, 100, 100)[..., 0], "PNG"), 60).result().reason


@pytest.mark.parametrize(
    "rendition",
    [
        SMALL,
        Rendition(),
        Rendition(Resize(5, "short", "box", enlarge=True), options=DecodeOptions((1, 2, 3), fast=True)),
    ],
)
def test_renditions_reach_a_child_whole(rendition):
    """What a child reads on its command line is what was meant."""
    assert from_text(as_text(rendition)) == rendition
