"""Renew the figures of the page of benchmarks: python -m tools.benchmark_page [--run] [NAME ...].

Without names, of every result that is there; with names, of those benchmarks alone. `--run` runs them first, with their
defaults, and then takes the results of those alone that ran to their end.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.benchmark_page.blocks import PAGE, RESULTS, ROOT, renewed, results
from tools.benchmark_page.running import Outcome, run, scripts
from tools.benchmark_page.tables import TABLES


def main() -> int:
    """Exit code: 1 where a benchmark failed, 2 where there is none of that name."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmark_page", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks, without extension; all by default")
    parser.add_argument("--run", action="store_true", help="run them first: hours for all, with a quiet machine")
    given = parser.parse_args()
    try:
        chosen = scripts(ROOT / "benchmarks", given.names)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    outcome = run(chosen) if given.run else Outcome(ran=[path.stem for path in chosen])
    renew(PAGE, outcome.ran)
    for word, some in (("not run here", outcome.skipped), ("failed", outcome.failed)):
        if some:
            sys.stdout.write(f"{word}, their figures stay as they were: {', '.join(some)}\n")
    by_hand = sorted(set(outcome.ran) - {table.script for table in TABLES.values()}) if given.run else []
    if by_hand:
        sys.stdout.write(f"figures on the page that are kept by hand: {', '.join(by_hand)}\n")
    return 1 if outcome.failed else 0


def renew(page: Path, ran: list[str]) -> None:
    """Write the page anew with the results of some benchmarks."""
    wanted = {
        name: result
        for name, result in results(RESULTS).items()
        if any(table.script in ran and table.chosen([name]) for table in TABLES.values())
    }
    page.write_text(renewed(page.read_text(encoding="utf-8"), wanted), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
