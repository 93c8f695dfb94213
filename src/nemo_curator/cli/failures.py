"""What a user sees of an error: one sentence on stderr, and an exit code."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec, TypeVar

import typer

from nemo_curator.errors import CuratorError

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPTED = 128 + signal.SIGINT


def as_sentences(command: Callable[P, R]) -> Callable[P, R]:
    """The command, with errors of ours and Ctrl-C turned into a sentence and an exit code."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        signal.signal(signal.SIGTERM, _interrupt)  # a polite kill is answered as Ctrl-C is
        try:
            return command(*args, **kwargs)
        except CuratorError as error:
            _say(f"imagecurator: {error}")
            for note in getattr(error, "__notes__", []):
                _say(note)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            _say(
                "imagecurator: interrupted; nothing half-written bears a final name; the same command goes on from here"
            )
            raise typer.Exit(INTERRUPTED) from None

    return guarded


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
