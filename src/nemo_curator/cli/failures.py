"""What a user sees of an error: one sentence on stderr, and an exit code."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec, TypeVar

import typer

from nemo_curator.cli.amounts import shown
from nemo_curator.errors import CuratorError

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPTED = 128 + signal.SIGINT


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or a polite kill, with the sentence that says what is kept of the work."""

    def __init__(self, sentence: str = "interrupted; the same command may be given again") -> None:
        super().__init__(sentence)


class _Stop:
    """Answers Ctrl-C and a polite kill alike, and remembers that it was asked."""

    asked = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        self.asked = True
        raise KeyboardInterrupt


_running: list[_Stop] = []  # of the command that runs, the innermost last


def is_interruption(error: BaseException) -> bool:
    """Whether an error is what became of Ctrl-C or of a polite kill.

    Libraries have their own ways to say that they were interrupted (DuckDB: a RuntimeError), so what counts is whether
    the command was asked to stop.
    """
    return isinstance(error, KeyboardInterrupt) or any(stop.asked for stop in _running)


def as_sentences(command: Callable[P, R]) -> Callable[P, R]:
    """The command, with errors of ours and Ctrl-C turned into a sentence and an exit code."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        stop = _Stop()
        _running.append(stop)
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            return command(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            if is_interruption(error):
                _say(f"imagecurator: {error if isinstance(error, Interrupted) else Interrupted()}")
                raise typer.Exit(INTERRUPTED) from None
            if isinstance(error, CuratorError):
                _say(f"imagecurator: {error}")
                for note in getattr(error, "__notes__", []):
                    _say(note)
                raise typer.Exit(error.exit_code) from None
            raise
        finally:
            _running.remove(stop)
            for number, handler in before.items():
                signal.signal(number, handler)

    return guarded


def _say(text: str) -> None:
    sys.stderr.write("\n".join(map(shown, text.split("\n"))) + "\n")
