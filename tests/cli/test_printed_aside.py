"""What is printed while a command works does not stand among its result."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from nemo_curator.cli.printed_aside import printed_aside


class Ray(ModuleType):
    """Says what it held back when it is left, as Ray does."""

    left = False

    def is_initialized(self):
        """Until it is left."""
        return not self.left

    def shutdown(self):
        """Print the rest."""
        self.left = True
        sys.stdout.write("a machine is dead\n")


@pytest.mark.parametrize("dropped", [False, True])
def test_the_result_stands_alone(capsys, monkeypatch, dropped):
    """It goes to standard error, or nowhere; what Ray held back too, so that nothing comes behind the result."""
    monkeypatch.setitem(sys.modules, "ray", Ray("ray"))
    with printed_aside(dropped=dropped):
        sys.stdout.write("loading\n")
    sys.stdout.write("{}\n")
    assert capsys.readouterr() == ("{}\n", "" if dropped else "loading\na machine is dead\n")


def test_what_goes_nowhere_goes_through_a_file():
    """A stage may give it to a process of its own, or write bytes."""
    with printed_aside(dropped=True):
        sys.stdout.buffer.write(b"\xff")
        subprocess.run([sys.executable, "-c", "print('a')"], stdout=sys.stdout, check=True)


def test_ray_is_left_after_a_failure(monkeypatch):
    """Whatever ended the work."""
    ray = Ray("ray")
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(KeyError), printed_aside():
        raise KeyError
    assert ray.left
