"""What was in force in a run, and is not in the recipe that a scoring puts in its place."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from nemo_curator.planning.recipe import SCORING_KEYS, Recipe

_TOLD_ELSEWHERE = {*SCORING_KEYS, "rules", "export"}


def dropped(stored: Mapping[str, Any], recipe: Recipe, run: str) -> Iterator[str]:
    """Sentences about decisions that hold no more, and how to have them back.

    Args:
        stored: The recipe in force in the run, as plain data; `decide` may have changed it since the last scoring.
        recipe: The recipe that comes.
        run: The run directory.
    """
    rules = {name: text for name, text in (stored.get("rules") or {}).items() if recipe.rules.get(name) != text}
    if rules:
        which = f"rule{'s' if len(rules) > 1 else ''} {', '.join(map(str, rules))}"
        was = "were in force here, and are" if len(rules) > 1 else "was in force here, and is"
        options = " ".join(f"--rule {shlex.quote(f'{name}={text}')}" for name, text in rules.items())
        yield (
            f"{which} {was} not so in the recipe that holds now; "
            f"`imagecurator decide {shlex.quote(run)} {options}` brings {'them' if len(rules) > 1 else 'it'} back"
        )
    comes, usual = recipe.model_dump(mode="json"), Recipe().model_dump(mode="json")
    keys = [
        name
        for name, value in stored.items()
        if name in usual and name not in _TOLD_ELSEWHERE and value not in (comes[name], usual[name])
    ]
    if keys:
        yield f"what the recipe in force here said of {', '.join(keys)} is not so in the recipe that holds now"
