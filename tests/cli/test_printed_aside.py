"""What is printed while a command works is not among its results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from tests.cli.processes import imagecurator

from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage


@dataclass
class TalkativeStage(BaseFilterStage):
    """Prints, as a library might."""

    _name: str = "talkative"
    columns: ClassVar[tuple[Column, ...]] = (Column("talkative_score"),)

    def needs(self):
        """Nothing but the id."""
        return Needs()

    def score(self, images):
        """A number each."""
        print("I am at work")  # noqa: T201 (that is its point)
        return np.ones(len(images), np.float32)


@pytest.mark.parametrize("command", ["run", "score"])
@pytest.mark.parametrize("log", [(), ("--log-json", "-")])
def test_only_the_result_is_on_standard_output(place, monkeypatch, command, log):
    """JSON is JSON; people find the rest on standard error, unless machines read that too."""
    monkeypatch.chdir(place)
    scores = f"header,{__name__}:TalkativeStage"
    done = imagecurator(command, "in", "new", "--scores", scores, "--json", *log)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert ("I am at work" in done.stderr) is (not log)
    for line in done.stderr.splitlines() if log else []:
        json.loads(line)
