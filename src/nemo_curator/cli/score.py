"""`imagecurator score`: the first step of a run alone."""

from __future__ import annotations

import json
import sys

from nemo_curator.cli import options


def score(
    inputs: options.Inputs,
    run: options.RunPlace,
    recipe: options.RecipeFile = None,
    scores: options.Scores = None,
    settings: options.Settings = None,
    pixels: options.Pixels = False,
    copies: options.Copies = None,
    turned: options.Turned = False,
    similar: options.Similar = None,
    protect: options.Protect = None,
    against: options.Against = None,
    workers: options.Workers = None,
    memory: options.Memory = None,
    executor: options.Executor = "local",
    ray_address: options.RayAddress = None,
    rescore: options.Rescore = False,
    shard: options.ShardShare = None,
    profile: options.Profile = False,
    log_json: options.LogJson = None,
    metrics: options.Metrics = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Read and score images into a run directory; what is there already is not computed again."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.cli.ahead import crew_for
    from nemo_curator.runs.layout import RunDirectory

    place = RunDirectory(run)
    if profile and not dry_run:
        from nemo_curator.cli.profile import profiled

        profiled(place)
    # what else is imported, is while a worker does the same
    with crew_for(place, workers if executor == "local" else 0, dry=dry_run) as crew:
        from nemo_curator.cli.display import display
        from nemo_curator.cli.no_pandas import leave_pandas_out
        from nemo_curator.cli.observing import Observing, observed
        from nemo_curator.cli.plan import after_score, print_score_plan, print_scored, score_plan_facts
        from nemo_curator.cli.printed_aside import printed_aside
        from nemo_curator.cli.recipe_options import (
            DuplicateOptions,
            continued_recipe,
            reach_by,
            read_recipe,
            with_scores,
        )
        from nemo_curator.pipeline.decide import stored_recipe
        from nemo_curator.pipeline.score_run import preview_score, score_run
        from nemo_curator.pipeline.scored import scored_inputs
        from nemo_curator.planning.means import Asked
        from nemo_curator.runs.location import run_at
        from nemo_curator.runs.state import RunState

        if workers != 0 and executor == "local":  # Ray Data uses it
            leave_pandas_out()
        settings = DuplicateOptions(pixels, copies, turned, similar, protect, against).settings(
            with_scores(settings, scores)
        )
        reach_by(recipe, settings)
        place = run_at(run)
        state = RunState.read(place) if recipe is None else None
        chosen = read_recipe(recipe, settings) if state is None else continued_recipe(stored_recipe(state), settings)
        if dry_run:
            asked = Asked(workers, memory, executor, ray_address)
            plan = preview_score(inputs, place, chosen, asked=asked, rescore=rescore, shard=shard)
            if as_json:
                sys.stdout.write(json.dumps(score_plan_facts(plan), indent=2) + "\n")
            else:
                print_score_plan(plan, after_score(plan))
            return
        observing = Observing(log_json, metrics)
        shown_by = display(quiet=as_json or observing.takes_stderr)
        places = {"inputs": inputs, "run": place.root}
        with (
            printed_aside(dropped=observing.takes_stderr),
            observed("score", observing, shown_by, places) as watcher,
        ):
            plan = score_run(
                inputs,
                place,
                chosen,
                workers=workers,
                memory=memory,
                executor=executor,
                address=ray_address,
                rescore=rescore,
                shard=shard,
                watcher=watcher,
                crew=crew,
            )
        records = scored_inputs(plan.run, [one.id for one in plan.share])
        if as_json:
            sys.stdout.write(json.dumps({**score_plan_facts(plan), "records": records}, indent=2) + "\n")
        else:
            print_scored(plan, records, was_decided=RunState.require(place).was_decided)
