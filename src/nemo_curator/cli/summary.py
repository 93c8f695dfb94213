"""What a run says at its beginning and end."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nemo_curator.pipeline.curate import Summary
from nemo_curator.planning.recipe import Recipe

_DEFAULT_WHY = {
    "small": "too small to train on at any usual resolution",
    "nsfw": "Yahoo's open_nsfw calls scores of 0.8 and more NSFW with confidence",
}


def announce(recipe: Recipe, whose: str, *, changed: bool = False) -> None:
    """Say what will be rejected, and of the default rules why.

    Args:
        recipe: The recipe.
        whose: What to call it, as the subject of a sentence.
        changed: Whether the command line changed it.
    """
    console = Console(stderr=True, highlight=False)
    with_changes = " with your changes" if changed else ""
    console.print(Text(f"{whose}{with_changes} rejects{', in this order:' if recipe.rules else ' nothing by rule'}"))
    default = Recipe().rules
    for name, expression in recipe.rules.items():
        why = f"  ({_DEFAULT_WHY[name]})" if name in _DEFAULT_WHY and default[name] == expression else ""
        console.print(Text(f"  {name}: {expression}{why}"), soft_wrap=True)
    if recipe.duplicates.bytes:
        console.print("  then exact copies: of images with equal bytes, one is kept")
    if whose == "The default recipe":
        console.print("Write a recipe of your own with `imagecurator init`.")


def summary_facts(summary: Summary) -> dict[str, Any]:
    """The summary as plain data, as `--json` prints it."""
    funnel = asdict(summary.funnel)
    return {
        "output": summary.output,
        "run": summary.run.root,
        "report": summary.run.report,
        "inputs": summary.funnel.inputs,
        "kept": summary.funnel.kept,
        "rejected": sum(summary.funnel.rejected.values()),
        "duplicates": summary.funnel.duplicates,
        "quarantined": sum(summary.funnel.quarantined.values()),
        "funnel": funnel,
        "files": len(summary.exported.files),
        "bytes": summary.exported.bytes,
        "input_bytes": summary.bytes,
        "ignored": summary.ignored,
        "seconds": {phase: round(seconds, 3) for phase, seconds in summary.seconds.items()},
    }


def print_summary(summary: Summary) -> None:
    """The funnel as a table, then where everything is."""
    funnel = summary.funnel
    console = Console(highlight=False)
    table = Table(title="What became of every input", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("images", justify="right")
    table.add_column("share", justify="right")

    def row(name: str, count: int, style: str = "") -> None:
        share = count / funnel.inputs if funnel.inputs else 0.0
        table.add_row(Text(name), f"{count:,}", f"{share:.1%}", style=style)

    row("inputs", funnel.inputs, "bold")
    for code, count in funnel.quarantined.items():
        row(f"  quarantined: {code}", count)
    for rule, count in funnel.rejected.items():
        row(f"  rejected: {rule}", count)
    if funnel.duplicates:
        row("  duplicates: same_bytes", funnel.duplicates)
    row("kept", funnel.kept, "bold green")
    console.print()
    console.print(table)
    for rule, count in funnel.undecided.items():
        console.print(Text(f"note: rule {rule} has no value for {count:,} images (NULL), and does not reject them"))
    _print_places(console, summary)


def _print_places(console: Console, summary: Summary) -> None:
    seconds = sum(summary.seconds.values())
    rate = summary.funnel.inputs / max(seconds, 1e-9)
    shards = len(summary.exported.files) // 2
    console.print(
        f"\n{summary.funnel.inputs:,} inputs in {seconds:.1f} s ({rate:,.0f}/s); {summary.exported.samples:,} samples, "
        f"{_megabytes(summary.exported.bytes)} in {shards} shard{'' if shards == 1 else 's'}"
    )
    if summary.ignored:
        console.print(Text(f"ignored: {', '.join(summary.ignored[:3])}{' …' if len(summary.ignored) > 3 else ''}"))
    sys.stdout.write(f"data set: {summary.output}\nreport:   {summary.run.report}\n")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"
