"""Run a command and note how it ended, for `profile`: py-spy, which starts this, does not say so. It imports little."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def run(ended: str, out: int, arguments: Sequence[str]) -> None:
    """Run `imagecurator` with some arguments.

    Args:
        ended: Where its exit code goes.
        out: Where its standard output goes, an open file.
        arguments: What it is given.
    """
    code = subprocess.call([sys.executable, "-m", "nemo_curator.cli", *arguments], stdout=out)  # noqa: S603 (the command that the user gave)
    Path(ended).write_text(str(code if code >= 0 else 128 - code))


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
