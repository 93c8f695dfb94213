"""`imagecurator leaks`: which inputs show which protected images, both ways."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from nemo_curator.cli import options
from nemo_curator.cli.amounts import counted, shown
from nemo_curator.cli.pair_words import how

_SHOWN = 10  # images at the other end of one that a person is told
_ALL = 2**31


def leaks(
    run: options.RunPlace,
    by: Annotated[
        str, typer.Option("--by", metavar="SIDE", help="List `protected` images, or each `image` that shows some.")
    ] = "protected",
    limit: Annotated[int, typer.Option("--limit", min=0, metavar="N", help="Images to list at most.")] = 20,
    as_json: options.AsJson = False,
) -> None:
    """List the protected images that inputs show, and which inputs those are; or the other way round."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.pipeline.export import decided_state
    from nemo_curator.runs.deciding.leaks import read_leaks
    from nemo_curator.runs.location import run_at

    if by not in {"protected", "image"}:
        raise typer.BadParameter("this is `protected` or `image`", param_hint="--by")
    place = run_at(run)
    decided_state(place)
    found = read_leaks(place, "protected" if by == "protected" else "image", limit, _ALL if as_json else _SHOWN)
    if as_json:
        sys.stdout.write(json.dumps({**asdict(found), "by": by, "file": place.leaks}, indent=2) + "\n")
    else:
        print_leaks(found, by)
        sys.stdout.write(f"\nleaks: {place.leaks}\n")


def print_leaking(found: Any) -> None:
    """Leaks for people: how many, then a line for each image that shows a protected one, with the nearest.

    Args:
        found: As `read_leaks` gives them by image.
    """
    _print_sums(found)
    for leak in found.listed:
        nearest = leak.ends[0]
        others = f"; and {leak.size - 1:,} more" if leak.size > 1 else ""
        sys.stdout.write(
            f"  {shown(leak.image_id)} shows {shown(nearest.image_id)}: {how(nearest.kind, nearest.distance)}{others}\n"
        )
    if found.images > len(found.listed):
        sys.stdout.write(
            f"  … and {counted(found.images - len(found.listed), 'more image')}; see --limit and --leaks\n"
        )


def _print_sums(found: Any) -> None:
    sys.stdout.write(f"{counted(found.images, 'image')} show{'s' if found.images == 1 else ''} ")
    sys.stdout.write(f"{counted(found.protected, 'protected image')}\n")


def print_leaks(found: Any, by: str) -> None:
    """Leaks for people: one end, then those at the other."""
    _print_sums(found)
    for leak in found.listed:
        many = counted(leak.size, "image") if by == "protected" else counted(leak.size, "protected image")
        words = f"is shown by {many}" if by == "protected" else f"shows {many}"
        sys.stdout.write(f"\n{shown(leak.image_id)} {words}:\n")
        for one in leak.ends:
            sys.stdout.write(f"  {shown(one.image_id)}: {how(one.kind, one.distance)}\n")
        if leak.size > len(leak.ends):
            sys.stdout.write(f"  … and {leak.size - len(leak.ends):,} more\n")
    total = found.protected if by == "protected" else found.images
    if total > len(found.listed):
        sys.stdout.write(f"\n… and {total - len(found.listed):,} more; see --limit\n")
