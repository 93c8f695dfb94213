"""How the models of a run are computed, as text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nemo_curator.cli.amounts import shown
from nemo_curator.planning.computing import ComputedModel, Way


def print_models(console: Console, models: Sequence[ComputedModel]) -> None:
    """Print for each model how it is computed, what came of it, and the figures of all ways that were tried.

    Args:
        console: Where to.
        models: As `computed_models` gives them.
    """
    for one in models:
        console.print()
        console.print(Text(shown(one.sentence)), soft_wrap=True)
        if one.ways:
            console.print(_figures(one.ways))


def _figures(ways: Sequence[Way]) -> Table:
    table = Table(show_edge=False, pad_edge=False)
    for name, justify in (("tried", "left"), ("worst cosine", "right"), ("largest drift", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]  # a literal, which a loop forgets
    table.add_column("images that change sides")
    table.add_column("ms an image", justify="right")
    for one in ways:
        table.add_row(Text(shown(one.name)), one.cosine, one.drift, Text(shown(one.changed)), one.milliseconds)
    return table
