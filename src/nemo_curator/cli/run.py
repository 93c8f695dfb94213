"""`imagecurator run`: the main job."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from nemo_curator.errors import RecipeError


def run(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Folders of images, tars, image files; NAME=PATH names one.")
    ],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="Folder for the data set.")],
    recipe: Annotated[
        Path | None, typer.Option("--recipe", "-r", help="Recipe file; `imagecurator init` writes one.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="Set a recipe key, as in `-s export.shard_size=500`."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=0, help="Worker processes; one a core by default, 0 for none.")
    ] = None,
    run_dir: Annotated[
        str | None, typer.Option("--run", metavar="DIR", help="Run directory; OUTPUT/run by default.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Remove an earlier result in OUTPUT first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON, for machines.")] = False,
) -> None:
    """Curate images: read, score, decide, and write what is kept with its original bytes."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.cli.display import display
    from nemo_curator.cli.summary import announce, print_summary, summary_facts
    from nemo_curator.pipeline.curate import curate
    from nemo_curator.planning.recipe_text import parse_recipe
    from nemo_curator.report.page import write_report

    overrides = dict(_setting(text) for text in settings or [])
    chosen = parse_recipe(_text(recipe), where=str(recipe or "the default recipe"), overrides=overrides)
    whose = "Your" if recipe is not None else "The default"
    watcher = display(quiet=as_json, opening=lambda: announce(chosen, f"{whose} recipe", changed=bool(overrides)))
    summary = curate(inputs, output, chosen, run_dir=run_dir, workers=workers, replace=replace, watcher=watcher)
    write_report(summary.run)
    if as_json:
        sys.stdout.write(json.dumps(summary_facts(summary), indent=2) + "\n")
    else:
        print_summary(summary)


def _text(recipe: Path | None) -> str:
    if recipe is None:
        return ""
    try:
        return recipe.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError("there is no such recipe", where=str(recipe), act="`imagecurator init` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"the recipe cannot be read: {error}", where=str(recipe)) from None


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {text}: this is not KEY=VALUE", act="write it as in --set export.shard_size=500")
    return key, value
