"""`imagecurator duplicates`: which images are the same one, by the decisions of a run."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from nemo_curator.cli import options
from nemo_curator.cli.amounts import counted, shown
from nemo_curator.cli.pair_words import how, pairs_note

_SHOWN = 10  # duplicates of one group that a person is told
_ALL = 2**31


def duplicates(
    run: options.RunPlace,
    limit: Annotated[int, typer.Option("--limit", min=0, metavar="N", help="Groups to list at most.")] = 20,
    pairs: Annotated[
        str | None,
        typer.Option("--pairs", metavar="FILE", help="Write every pair of near images that was found, as Parquet."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the pairs in the place of earlier ones that this command wrote.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """List groups of duplicates, largest first: the kept image, and those that duplicate it, and how."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.pipeline.duplicates import check_pairs_place, write_pairs
    from nemo_curator.runs.deciding.groups import duplicate_groups
    from nemo_curator.runs.location import run_at
    from nemo_curator.runs.pairing.pair_file import PairFacts
    from nemo_curator.runs.state import RunState

    place = run_at(run)
    if pairs is not None:
        check_pairs_place(pairs, replace=replace)
    found = duplicate_groups(place, limit, _ALL if as_json else _SHOWN)
    written = write_pairs(place, pairs) if pairs is not None else None
    searched = [PairFacts.read(one) for one in RunState.require(place).facts.get("pairs", {}).values()]
    if as_json:
        facts: dict[str, Any] = asdict(found) | {"searched": [asdict(one) for one in searched if one]}
        facts |= {} if written is None else {"pairs": written, "file": pairs}
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return
    sys.stdout.write(f"{counted(found.groups, 'group')}, {counted(found.duplicates, 'duplicate')}\n")
    for group in found.largest:
        sys.stdout.write(f"\n{shown(group.kept)} is kept, and {counted(group.size, 'image')} with it not:\n")
        for one in group.duplicates:
            sys.stdout.write(f"  {shown(one.image_id)}: {how(one.rule, one.distance)}\n")
        if group.size > len(group.duplicates):
            sys.stdout.write(f"  … and {group.size - len(group.duplicates):,} more\n")
    if found.groups > len(found.largest):
        sys.stdout.write(f"\n… and {counted(found.groups - len(found.largest), 'smaller group')}; see --limit\n")
    own = [one for one in searched if one is not None and not one.other.startswith("protect-")]
    for at, known in enumerate(own):  # who asks for duplicates did not ask for leaks
        sys.stdout.write(f"{'' if at else chr(10)}note: {pairs_note(known)}\n")
    if written is not None:
        sys.stdout.write(f"\npairs: {pairs} ({written:,})\n")
