"""A reader who does what a page says, in one folder, with one Python session."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.guides.pages import Snippet
from typer.testing import CliRunner

from nemo_curator.cli.app import app

_SHELL = re.compile(r"[|&;<>*$`]")


class Reader:
    """Runs snippets in the current directory.

    Commands of ours run inside this process, as typed; everything else, and what needs a shell, in one. Programs share
    their names, as the cells of a notebook do.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        """A new session.

        Args:
            patch: Keeps what `export` sets until the test ends.
        """
        self._patch = patch
        self._names: dict[str, Any] = {"__name__": "__main__"}

    def does(self, snippet: Snippet) -> tuple[int, str]:
        """(Exit code, output) of a command or program; a program that fails raises."""
        if snippet.kind == "python":
            return 0, self._program(snippet)
        return self.types(snippet)

    def runs(self, snippet: Snippet) -> tuple[int, str]:
        """(Exit code, output) of a program in a process of its own."""
        Path("program.py").write_text(snippet.text, encoding="utf-8")
        return self._shell(f"{shlex.quote(sys.executable)} program.py")

    def types(self, snippet: Snippet) -> tuple[int, str]:
        """(Exit code, output) of a command."""
        exported = re.fullmatch(r"export (\w+)=(\S+)", snippet.text)
        if exported:
            self._patch.setenv(exported[1], os.path.expandvars(exported[2]))
            return 0, ""
        quoted = re.sub(r"'[^']*'|\"[^\"]*\"", "", snippet.text)
        if snippet.text.startswith("imagecurator ") and not _SHELL.search(quoted):
            result = CliRunner().invoke(app, shlex.split(snippet.text, comments=True)[1:])
            if result.exception is not None and not isinstance(result.exception, SystemExit):
                raise result.exception
            return result.exit_code, result.output
        return self._shell(snippet.text)

    def _program(self, snippet: Snippet) -> str:
        """What the program prints."""
        # the empty lines put the program where it stands in the page, so that a traceback names its line
        code = compile("\n" * (snippet.line - 1) + snippet.text, "page", "exec")
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(code, self._names)  # noqa: S102  (what our own pages say)
        return said.getvalue()

    def _shell(self, text: str) -> tuple[int, str]:
        """The command in a shell that finds the programs of this environment first."""
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", text],
            env={**os.environ, "PATH": programs},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout


def missing(shown: tuple[str, ...], said: str) -> list[str]:
    """Lines that a page shows and that were not said in that order; `…` stands for any lines, spaces do not count.

    Args:
        shown: What the page shows.
        said: What was said.
    """
    lines = iter([" ".join(line.split()) for line in said.splitlines()])
    return [line for line in shown if line.strip() != "…" and not any(" ".join(line.split()) == one for one in lines)]
