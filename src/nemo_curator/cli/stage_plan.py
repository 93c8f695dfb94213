"""`imagecurator plan`: what a recipe comes to, before anything runs; on an input, what it will cost and give."""

from __future__ import annotations

import json
import sys
from itertools import groupby
from typing import Annotated, Any

import typer

from nemo_curator.cli import options

_CLASSES = {
    "header": "header: what bytes and sidecars say",
    "statistics": "statistics: numbers of small views",
    "model": "models, and what costs as much",
}


def plan(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT...]", help="As for `run`: then a sample of it is scored, to say what all of it takes."
        ),
    ] = None,
    recipe: options.RecipeFile = None,
    scores: options.Scores = None,
    settings: options.Settings = None,
    workers: options.Workers = None,
    memory: options.Memory = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=1, metavar="N", help="Inputs to look at; 64 a worker by default, 256 to 4,096."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Explain a recipe: stages by cost, views, where each runs, what `lazy` skips, memory; estimate time and output."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.cli.display import Words, display
    from nemo_curator.cli.estimate_words import estimate_facts, estimate_lines
    from nemo_curator.cli.means import means_facts, means_lines
    from nemo_curator.cli.recipe_options import read_recipe, with_scores
    from nemo_curator.pipeline.estimate import estimate
    from nemo_curator.pipeline.means import means_of
    from nemo_curator.pipeline.run_plan import effective
    from nemo_curator.pipeline.stage_plan import explain_scoring
    from nemo_curator.planning.means import Asked

    if sample is not None and not inputs:
        raise typer.BadParameter("there is no INPUT to look at", param_hint="--sample")
    chosen, asked = effective(read_recipe(recipe, with_scores(settings, scores))), Asked(workers, memory)
    found, means = explain_scoring(chosen), means_of(chosen, asked)
    estimated = None
    if inputs:
        watcher = display(quiet=as_json, words=Words(compute="sample", decides=False))
        try:
            estimated = estimate(inputs, chosen, wanted=sample, asked=asked, watcher=watcher)
        finally:
            watcher.close()
    if as_json:
        facts = {**found.facts, "means": means_facts(means)}
        facts |= {} if estimated is None else {"estimate": estimate_facts(estimated)}
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return
    lines = [] if estimated is None else [*estimate_lines(estimated, means.shares.workers), ""]  # it was asked for
    lines += _reading(found)
    for cost, stages in groupby(found.stages, lambda stage: stage.cost):
        lines += ["", _CLASSES[cost]]
        for stage in stages:
            lines += _stage(stage, lazy=found.lazy)
    lines += ["", "Here, with input enough, that runs", *means_lines(means)]
    lines += ["", *_lazy(found), *(f"note: `scores: all` leaves out {name}: {why}" for name, why in found.left_out)]
    sys.stdout.write("\n".join(lines) + "\n")


def _reading(found: Any) -> list[str]:
    if not found.views:
        return [
            f"Each image is read once, and decoded {found.decodes if found.decodes != 'nothing' else 'not at all'}."
        ]
    lines = [f"Each image is read once, and decoded {found.decodes}; from that one decode are cut:"]
    for view in found.views:
        users = ", ".join(stage.name for stage in found.stages if view in stage.views)
        lines.append(f"  {view}  ({users})")
    return lines


def _stage(stage: Any, *, lazy: bool) -> list[str]:
    needs = [*stage.views, *stage.needs] or ["nothing but the header"]
    lines = [
        f"  {stage.name}",
        f"    gives   {', '.join(stage.columns)}",
        f"    needs   {' and '.join(needs)}",
        f"    runs    in {'the ' if stage.runs == 'inference process' else ''}{stage.runs}: {stage.why}",
    ]
    if stage.skipped_by:
        is_or_would_be = "is" if lazy else "would be"
        but = f" (no more: {stage.kept})" if stage.kept else ""
        return [*lines, f"    lazy    {is_or_would_be} skipped for what {' or '.join(stage.skipped_by)} rejects{but}"]
    return [*lines, f"    lazy    never skipped: {stage.kept}"]


def _lazy(found: Any) -> list[str]:
    if found.lazy:
        return ["The recipe is lazy: what is skipped is NULL; verdicts are those of a complete scoring."]
    if any(stage.skipped_by for stage in found.stages):
        return ["The recipe is not lazy, so every score is computed for every image; `--set lazy=true` skips as said."]
    return ["The recipe is not lazy, and `lazy: true` would skip nothing."]
