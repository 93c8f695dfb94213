"""`imagecurator init`: a recipe with every key explained, to start from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nemo_curator.errors import OutputExistsError


def init(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file to write; it must not exist.")] = Path(
        "recipe.yaml"
    ),
    to_stdout: Annotated[bool, typer.Option("--stdout", help="Print the recipe instead of writing a file.")] = False,
) -> None:
    """Write a recipe with the default of every key and what it means."""
    # imported here so that `--help` and other commands need not wait for Pydantic
    from nemo_curator import storage
    from nemo_curator.cli.recipe_template import recipe_template

    if to_stdout:
        sys.stdout.write(recipe_template())
        return
    if path.exists() or path.is_symlink():
        raise OutputExistsError(
            "this exists already", where=str(path), act="name another file, or print the recipe with --stdout"
        )
    with storage.write_atomic(str(path)) as file:
        file.write(recipe_template(path.name).encode())
    sys.stdout.write(f"wrote {path}; use it with: imagecurator run INPUT OUTPUT --recipe {path}\n")
