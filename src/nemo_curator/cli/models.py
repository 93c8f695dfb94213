"""`imagecurator models`: every model that a recipe may name, where its weights are, and how to get them."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from nemo_curator.cli import options
from nemo_curator.cli.failures import as_sentences
from nemo_curator.cli.models_get import get
from nemo_curator.cli.models_verify import verify
from nemo_curator.cli.usage import Command, Group

models = typer.Typer(
    name="models",
    cls=Group,
    help="List the models and heads, fetch their weights, verify what is here.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
models.command("get", cls=Command)(as_sentences(get))
models.command("verify", cls=Command)(as_sentences(verify))


def _list(
    context: typer.Context,
    model_dir: options.ModelDir = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say of each what it takes, which heads fit, and how to get it.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """List every model and head: what it gives, its size and licence, and whether its weights are here."""
    if context.invoked_subcommand is not None:
        return
    # imported here so that `--help` and other commands need not wait for NumPy
    from nemo_curator.cli.model_words import facts, paragraph, table
    from nemo_curator.models import registry

    found = [facts(spec, model_dir) for spec in registry.specs()]
    if as_json:
        sys.stdout.write(json.dumps({one["name"]: one for one in found}, indent=2) + "\n")
        return
    if verbose:
        for one in found:
            sys.stdout.write("\n".join(paragraph(one)) + "\n\n")
        sys.stdout.write(
            "imagecurator models get NAME fetches weights from the hub; models verify checks what is here.\n"
        )
    else:
        sys.stdout.write("\n".join(table(found)) + "\n")


models.callback(invoke_without_command=True)(as_sentences(_list))
