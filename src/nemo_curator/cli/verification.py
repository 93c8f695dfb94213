"""What checking and removing came to, in words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from nemo_curator.cli.amounts import amount, counted, shown
from nemo_curator.runs.exporting import Removal, Verification, delivered

_MOST = 10


@contextmanager
def checking(output: str, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Progress over the samples of a data set, on a terminal; elsewhere nothing."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    manifest = delivered(output) or {}
    samples = manifest.get("samples")
    columns = (
        TextColumn("verify"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verify", total=samples if isinstance(samples, int) else None)
        yield lambda count: bar.advance(task, count)


def print_verification(found: Verification) -> None:
    """What was checked, and every problem of the first."""
    checked = f"{counted(found.samples, 'sample')} in {counted(found.shards, 'shard')}"
    sys.stdout.write(f"{checked} checked, {amount(found.bytes)}\n")
    if found.compared or found.source_problem_count:
        own = found.compared - found.rendered
        sys.stdout.write(f"{own:,} of them still hold the bytes that their sources hold\n")
    if found.rendered:
        sys.stdout.write(
            f"{found.rendered:,} were made anew, of sources that are unchanged, whose sidecars they still hold\n"
        )
    _print_problems("wrong", found.problems, found.problem_count)
    _print_problems("source", found.source_problems, found.source_problem_count)
    if found.ok:
        sys.stdout.write("everything is as the manifest says\n")


def print_removal(removal: Removal, ids: str, *, dry_run: bool) -> None:
    """What was taken out."""
    written = f"{counted(removal.rewritten, 'shard')} written anew"
    gone = f", {removal.emptied:,} gone because nothing was left in them" if removal.emptied else ""
    sys.stdout.write(f"{counted(removal.removed, 'sample')} taken out; {written}{gone}\n")
    _print_problems("not there", removal.unknown, removal.unknown_count)
    if dry_run:
        sys.stdout.write("This was a dry run: nothing is changed.\n")
    else:
        sys.stdout.write(f"To keep them out of later exports, name {ids} as `deny` in the recipe.\n")


def _print_problems(word: str, told: Sequence[str], count: int) -> None:
    for sentence in told[:_MOST]:
        sys.stdout.write(f"{word}: {shown(sentence)}\n")
    if count > _MOST:
        sys.stdout.write(f"{word}: … and {count - min(len(told), _MOST):,} more\n")
