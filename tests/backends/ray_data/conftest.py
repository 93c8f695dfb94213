"""What a run on Ray is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from tests.backends.ray_data.doomed import DoomedStage
from tests.main_job.material import CHEAP, hashes, make_input

from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe_text import parse_recipe

RECIPE = CHEAP.replace("entropy]", f"entropy, hashes, '{DoomedStage.__module__}:DoomedStage']")


class Made(NamedTuple):
    """An input, a recipe, and the hash of every file that comes of them, by its path."""

    given: Path
    recipe: Path
    expected: dict[str, str]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """What local runs by one, two and four workers give alike."""
    folder = tmp_path_factory.mktemp("made")
    make_input(folder / "in")
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    found = []
    for workers in (1, 2, 4):
        output = folder / f"local-{workers}"
        curate([str(folder / "in")], str(output), parse_recipe(RECIPE), workers=workers)
        found.append(hashes(output))
    assert found[0] == found[1] == found[2]
    return Made(folder / "in", recipe, found[0])
