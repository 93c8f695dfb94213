"""The blocks of the page of benchmarks: what is between markers is made from results, the prose around it is not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.benchmark_page.tables import TABLES, Table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "benchmarks" / "results"
_BLOCK = re.compile(r"<!-- figures: (?P<name>\S+) -->\n(?P<body>.*?)<!-- /figures -->", re.DOTALL)
Result = Mapping[str, Any]


def results(folder: Path) -> dict[str, Result]:
    """Every result in a folder, by the name of its file."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def names(text: str) -> list[str]:
    """The blocks of a page, in its order."""
    return [found["name"] for found in _BLOCK.finditer(text)]


def renewed(text: str, found: Mapping[str, Result], tables: Mapping[str, Table] = TABLES) -> str:
    """The page with every block made anew of which there are results; the others stay as they are.

    Raises:
        ValueError: A block has no table, a table no block, or one more than one; a marker is not closed.
    """
    on_page = names(text)
    if text.count("<!-- figures: ") != len(on_page):
        raise ValueError("a block of figures is not closed by <!-- /figures -->")
    if sorted(on_page) != sorted(tables):
        odd = sorted(set(on_page) ^ set(tables)) or sorted({name for name in on_page if on_page.count(name) > 1})
        raise ValueError(f"blocks and tables do not go together: {', '.join(odd)}")

    def block(match: re.Match[str]) -> str:
        table = tables[match["name"]]
        mine = [found[name] for name in table.chosen(found)]
        if not mine:
            return match[0]
        lines = "\n".join([*table.lines(mine), "", _taken(mine)])
        return f"<!-- figures: {match['name']} -->\n\n{lines}\n\n<!-- /figures -->"

    return _BLOCK.sub(block, text)


def _taken(mine: Sequence[Result]) -> str:
    """Rounds, days and machines of some results, in a line."""
    rounds = sorted({one["rounds"] for one in mine if "rounds" in one})
    days = sorted({one["date"] for one in mine if "date" in one})
    machines = sorted({f"{one['machine']['processor']}, {one['machine']['cores']} cores" for one in mine})
    words = [f"{' and '.join(map(str, rounds))} rounds"] if rounds else []
    words += [*machines, " to ".join(dict.fromkeys([days[0], days[-1]])) if days else "day not kept"]
    return f"*{'; '.join(words)}.*"
