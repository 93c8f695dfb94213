"""The command as a user who may not read everything, also where the tests run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cli.processes import command


def unprivileged(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a real process for which permissions count; the test is skipped where nothing can do that."""
    before: list[str] = []
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root may read everything, and setpriv is not installed")
        before = [setpriv, "--bounding-set", "-dac_override,-dac_read_search"]
    return subprocess.run([*before, *command(*arguments)], capture_output=True, text=True, timeout=120, check=False)
