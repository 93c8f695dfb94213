"""The note that tells a supervisor which image a dead worker was working on."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from hypothesis import example, given
from hypothesis import strategies as st

from nemo_curator.backends.local.position import Position
from nemo_curator.stages.worker import condemned, watched_name


@given(st.lists(st.text(st.characters(exclude_categories=())), min_size=1))
@example(["ü" * 5000, "", "\ud800\udc80 \N{PILE OF POO}"])
def test_it_says_what_was_noted_last(names):
    """Any text that Python can hold, of any sensible length; "" is nobody."""
    descriptor = Position.make_descriptor()
    writer, reader = Position(descriptor), Position(descriptor)
    os.close(descriptor)
    for name in names:
        before = time.monotonic()
        writer.enter(name)
        found, since, _ = reader.read()
        assert found == watched_name(name).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        assert before <= since <= time.monotonic()
    writer.close()
    reader.close()


def test_an_endless_id_is_named_shortly():
    """A hostile id costs no memory beyond the note, and is told from every other one all the same."""
    descriptor = Position.make_descriptor()
    position = Position(descriptor)
    os.close(descriptor)
    names = ["\N{PILE OF POO}" * 100_000, "\N{PILE OF POO}" * 100_001, "x" * 60_000]
    for name in names:
        position.enter(name)
        found = position.read().image_id
        assert len(found) < 10_000
        assert found == watched_name(name)
        assert condemned({found: "why"}, name) == "why"
    assert len({watched_name(name) for name in names}) == 3
    position.close()


def test_it_outlives_its_writer():
    """What a process noted before it was killed is read afterwards."""
    descriptor = Position.make_descriptor()
    code = (
        "import os, signal, sys; from nemo_curator.backends.local.position import Position; "
        "Position(int(sys.argv[1])).enter('a/1'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(descriptor)], pass_fds=[descriptor], check=False)
    assert done.returncode == -9
    position = Position(descriptor)
    os.close(descriptor)
    assert position.read()[0] == "a/1"
    position.close()


def test_who_waits_is_at_no_image():
    """While a worker waits it is at nothing, and says so; afterwards its image has all its time again."""
    descriptor = Position.make_descriptor()
    position = Position(descriptor)
    os.close(descriptor)
    position.enter("a/1")
    entered = position.read()
    assert (entered.image_id, entered.waiting) == ("a/1", False)
    with position.waiting():
        assert position.read()[::2] == ("", True)
        later = time.monotonic()
    assert position.read()[::2] == ("a/1", False)
    assert position.read().since >= later
    position.enter("")
    with position.waiting():
        pass
    assert position.read()[::2] == ("", False)
    position.close()
