"""`imagecurator run`: the main job."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from nemo_curator.cli import options


def run(
    inputs: options.Inputs,
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="Folder for the data set.")],
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
    run_dir: Annotated[
        str | None, typer.Option("--run", metavar="DIR", help="Run directory; OUTPUT/run by default.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the result in the place of an earlier one; scores are used again.")
    ] = False,
    rescore: options.Rescore = False,
    skip_missing: options.SkipMissing = False,
    profile: options.Profile = False,
    log_json: options.LogJson = None,
    metrics: options.Metrics = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Curate images: read, score, decide, and write what is kept with its original bytes."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator import storage
    from nemo_curator.runs.layout import RunDirectory

    place = RunDirectory(run_dir or storage.join(output, "run"))
    if profile and not dry_run:
        from nemo_curator.cli.profile import profiled

        profiled(place)
    from nemo_curator.cli.ahead import REPORTING, crew_for

    # what else is imported, is while a worker does the same
    with crew_for(place, workers if executor == "local" else 0, dry=dry_run, later=REPORTING) as crew:
        from nemo_curator.cli.display import display
        from nemo_curator.cli.no_pandas import leave_pandas_out
        from nemo_curator.cli.observing import Observing, observed
        from nemo_curator.cli.plan import after_run, print_score_plan, score_plan_facts
        from nemo_curator.cli.printed_aside import printed_aside
        from nemo_curator.cli.recipe_options import DuplicateOptions, read_recipe, with_scores
        from nemo_curator.cli.summary import announce, print_summary, summary_facts
        from nemo_curator.pipeline.curate import curate, preview_curate
        from nemo_curator.pipeline.places import plain_place
        from nemo_curator.pipeline.run_plan import effective
        from nemo_curator.planning.means import Asked
        from nemo_curator.report.developers import Developers
        from nemo_curator.runs.exporting import delivered

        if workers != 0 and executor == "local":  # Ray Data uses it
            leave_pandas_out()
        settings = DuplicateOptions(pixels, copies, turned, similar, protect, against).settings(
            with_scores(settings, scores)
        )
        chosen = effective(read_recipe(recipe, settings))
        whose = "Your" if recipe is not None else "The default"
        if dry_run:
            asked = Asked(workers, memory, executor, ray_address)
            plan = preview_curate(
                inputs, output, chosen, run_dir=run_dir, asked=asked, replace=replace, rescore=rescore
            )
            if as_json:
                sys.stdout.write(json.dumps(score_plan_facts(plan), indent=2) + "\n")
            else:
                announce(chosen, f"{whose} recipe", changed=bool(settings))
                finished = delivered(plain_place(output)) is not None
                print_score_plan(plan, after_run(output, finished=finished, replace=replace))
            return
        observing = Observing(log_json, metrics)
        quiet = as_json or observing.takes_stderr
        shown_by = display(quiet=quiet, opening=lambda: announce(chosen, f"{whose} recipe", changed=bool(settings)))
        about = {"inputs": inputs, "output": output, "run": place.root}
        with (
            printed_aside(dropped=observing.takes_stderr),
            Developers() as developers,
            observed("run", observing, shown_by, about) as watcher,
        ):
            summary = curate(
                inputs,
                output,
                chosen,
                run_dir=run_dir,
                workers=workers,
                memory=memory,
                executor=executor,
                address=ray_address,
                replace=replace,
                rescore=rescore,
                skip_missing=skip_missing,
                watcher=watcher,
                crew=crew,
                decided=developers.start_ahead,
            )
            from nemo_curator.report.page import write_report

            write_report(summary.run, developers)
        if as_json:
            sys.stdout.write(json.dumps(summary_facts(summary), indent=2) + "\n")
        else:
            print_summary(summary, aloud=not observing.takes_stderr)
