"""`imagecurator status`: how far a run is."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from nemo_curator.cli import options
from nemo_curator.cli.amounts import shown

_FEW = 12  # numbers that a line shows
_NARROW = 40  # columns of a terminal; in a narrower one nothing is in its place


def status(
    run: options.RunPlace,
    shards: Annotated[
        int | None,
        typer.Option(
            "--shards", min=1, metavar="N", help="Say which of the N shards of `score --shard` are to be run."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what a run directory holds, what is missing, and where it was exported; a run at work may be asked."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from rich.console import Console
    from rich.text import Text

    from nemo_curator.cli.amounts import amount, counted
    from nemo_curator.cli.model_figures import print_models
    from nemo_curator.cli.summary import print_funnel, print_notes, print_warnings
    from nemo_curator.planning.computing import computed_models
    from nemo_curator.planning.sharding import shards_with
    from nemo_curator.runs.deciding import Funnel
    from nemo_curator.runs.location import run_at
    from nemo_curator.runs.state import RunState
    from nemo_curator.runs.status import run_status

    state = RunState.require(run_at(run))  # once, because the run may be at work
    found = run_status(state.run, state)
    models = computed_models(state.facts)
    again = None if shards is None else shards_with(found.missing, shards)
    if as_json:
        facts = {**asdict(found), "shards_missing": again, "models": [one.facts() for one in models]}
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return
    console = Console(highlight=False)
    console.print(Text(f"run:        {shown(found.run)}{' (at work)' if found.at_work else ''}"), soft_wrap=True)
    times = f"{found.started}{f', finished {found.finished}' if found.finished else ''}"
    console.print(Text(f"started:    {shown(times)}"))
    console.print(f"partitions: {found.scored:,} of {found.partitions:,} scored, {amount(found.bytes)} in all")
    console.print(f"inputs:     {found.records:,} so far, {counted(found.ignored, 'file')} ignored")
    if found.funnel is None or not found.decided:
        console.print(Text(f"\nno verdicts: {state.why_undecided}"), soft_wrap=True)
    else:
        funnel = Funnel.of(found.funnel)
        print_funnel(funnel)
        print_notes(funnel)
        print_warnings(found.warnings)
    for one in found.exports:
        console.print(
            Text(f"data set: {shown(one.output)} ({one.state}{f', {shown(one.finished)}' if one.finished else ''})"),
            soft_wrap=True,
        )
    commands = _going_on(finished=bool(found.finished), embeds=state.embeds is not None, shards=shards)
    for line in _missing_lines(found.missing, commands, again, shards):
        console.print(line, soft_wrap=True)
    for line in _column_lines(found.columns, found.partitions, console.width):
        console.print(Text(line), soft_wrap=True)
    print_models(console, models)
    for path in found.damaged:
        console.print(Text(f"damaged: {shown(path)} (the next scoring computes it again)"), soft_wrap=True)
    said = {one.why for one in models}
    for note in (one for one in found.notes if one not in said):
        console.print(Text(f"note: {shown(note)}"), soft_wrap=True)


def _going_on(*, finished: bool, embeds: bool, shards: int | None) -> str:
    """The command that scores what is missing; two where the run does not say which of them made it."""
    if embeds:
        return "`imagecurator embed`"
    if shards is not None:
        return "`imagecurator score`"
    return "`imagecurator run`" if finished else "`imagecurator run` or `imagecurator score`"


def _missing_lines(
    missing: Sequence[int], commands: str, again: Sequence[int] | None, shards: int | None
) -> Iterator[str]:
    """Which partitions are missing, counted from 1, what scores them, and which shards would."""
    if missing:
        given = ", given again," if " or " in commands else ""
        numbers = _numbers([one + 1 for one in missing])
        yield f"missing:    {numbers} ({commands}{given} scores what is missing)"
    if again is not None:
        yield f"shards:     {f'{_numbers(again)} of {shards} to be run' if again else f'all {shards} are through'}"


def _column_lines(columns: Mapping[str, int], partitions: int, width: int) -> Iterator[str]:
    """Which columns are in all partitions, and which in some alone, a paragraph for each number of them."""
    names: dict[int, list[str]] = {}
    for name, count in columns.items():
        names.setdefault(count, []).append(shown(name))
    for count in sorted(names, reverse=True):
        some = "" if count == partitions else f" (in {count:,} of {partitions:,} partitions)"
        yield from textwrap.wrap(
            f"{', '.join(names[count])}{some}",
            max(width, _NARROW),
            initial_indent="columns:    ",
            subsequent_indent=" " * 12,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _numbers(numbers: Sequence[int]) -> str:
    more = f" and {len(numbers) - _FEW:,} more" if len(numbers) > _FEW else ""
    return ", ".join(map(str, numbers[:_FEW])) + more
