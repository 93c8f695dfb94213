"""What `decide` put in force, and `run` puts out of force again, is told with the way back."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from tests.cli.kept import as_json
from tests.cli.processes import CHEAP, imagecurator, pictures

from nemo_curator.pipeline.dropped import dropped
from nemo_curator.planning.recipe import Recipe


def test_rules_of_a_decision_are_named_with_the_command_that_brings_them_back(tmp_path: Path) -> None:
    """Before and after, and to machines; and that command does what it says, after which nothing speaks of it."""
    (tmp_path / "r.yaml").write_text(CHEAP)
    given = ("run", pictures(tmp_path / "in"), tmp_path / "out", "-r", tmp_path / "r.yaml", "--replace")
    run = tmp_path / "out" / "run"
    assert "brings" not in imagecurator(*given).stdout
    rule = "wide=width > 1 and format = 'jpeg'"
    assert imagecurator("decide", run, "--rule", rule).returncode == 0
    command = f"imagecurator decide {run} --rule {shlex.quote(rule)}"
    said = f"rule wide was in force here, and is not so in the recipe that holds now; `{command}` brings it back"
    assert f"warning: {said}" in imagecurator(*given, "--dry-run").stdout
    done = imagecurator(*given)
    assert f"note: {said}" in done.stderr
    assert f"warning: {said}" in done.stdout
    assert "brings it back" not in imagecurator("status", run).stdout
    assert imagecurator(*shlex.split(command)[1:]).returncode == 0
    assert as_json("status", run)["funnel"]["rejected"]["wide"] == 3
    facts = json.loads(imagecurator(*given, "--json").stdout)
    assert said in facts["notes"]
    assert said not in json.loads(imagecurator(*given, "--json").stdout)["notes"]


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"rules": {"small": "width < 9", "new": "true"}}, "rules small, new were in force here, and are not so"),
        ({"rules": {}}, None),
        ({"duplicates": {"copies": {"distance": 31}}, "deny": "no.txt"}, "said of duplicates, deny is not so"),
        ({"scores": ["header"], "export": {"format": "folder"}}, None),
    ],
)
def test_what_is_told(stored: dict[str, object], said: str | None) -> None:
    """What decided, and was not what always is, is told; what computed or exported is told elsewhere."""
    usual = Recipe().model_dump(mode="json")
    told = list(dropped({**usual, **stored}, Recipe(), "run"))
    assert len(told) == (said is not None)
    assert said is None or said in told[0]
