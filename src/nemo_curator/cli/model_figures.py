"""How the models of a run are computed, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nemo_curator.cli.amounts import shown
from nemo_curator.pipeline.computing import ComputedModel


def print_models(console: Console, models: Sequence[ComputedModel]) -> None:
    """Print for each model how it is computed, what came of it, and the figures of all ways that were tried.

    Args:
        console: Where to.
        models: As `computed_models` gives them.
    """
    for one in models:
        console.print()
        of = f" ({', '.join(one.columns)})" if one.columns else ""
        console.print(Text(shown(f"{one.why}{of}")), soft_wrap=True)
        if one.settled is not None and one.settled.tried:
            console.print(_figures(one.settled.tried))


def _figures(tried: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for name, justify in (("tried", "left"), ("worst cosine", "right"), ("largest drift", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]  # a literal, which a loop forgets
    table.add_column("images that change sides")
    table.add_column("ms an image", justify="right")
    for figures in tried:
        device = f" ({figures['device']})" if "device" in figures else ""
        way = f"{figures.get('precision', '?')} on {figures.get('runtime', '?')}{device}"
        changed = ", ".join(f"{name} {share:.2%}" for name, share in figures.get("changed", {}).items())
        table.add_row(
            Text(shown(way)),
            f"{figures.get('cosine', 1):.6f}",
            f"{figures.get('drift', 0):.6f}",
            Text(shown(changed)),
            f"{1000 * figures['seconds']:.1f}" if "seconds" in figures else "",
        )
    return table
