"""Renew the made parts of the pages of scores.

    python -m tools.score_pages facts                         from the code
    python -m tools.score_pages measure photos=DIR kodak=DIR   from real photos; takes minutes
    python -m tools.score_pages examples                      from photos that packages ship

Scores whose parts are not installed are left as they are; `--scores a,b` takes some alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.score_pages import pages
from tools.score_pages.facts import GIVEN, classes, columns_of, facts
from tools.score_pages.measured import measure, table

from nemo_curator.errors import MissingExtraError, WeightsNotFoundError
from nemo_curator.stages.catalogue import make_score_stage


def main(words: list[str]) -> int:
    """Do what the words say."""
    parser = argparse.ArgumentParser(prog="python -m tools.score_pages", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["facts", "measure", "examples"])
    parser.add_argument("materials", nargs="*", help="NAME=FOLDER")
    parser.add_argument("--scores", help="names with commas between; all by default")
    asked = parser.parse_args(words)
    chosen = asked.scores.split(",") if asked.scores else list(classes())
    stages = dict(_installed(chosen))
    if asked.what == "facts":
        _facts(stages)
    elif asked.what == "measure":
        _measure(stages, dict(one.split("=", 1) for one in asked.materials))
    else:
        _examples(stages)
    return 0


def _installed(names: Iterable[str]) -> Iterable[tuple[str, Any]]:
    for name in names:
        try:
            yield name, make_score_stage(name, GIVEN.get(name, {}))
        except (MissingExtraError, WeightsNotFoundError) as error:
            print(f"left out: {name}: {error}", file=sys.stderr)


def _measurable(stages: dict[str, Any]) -> dict[str, Any]:
    """Score to columns, of those that have such and can be computed anywhere."""
    columns = {score: columns_of(type(stage)) for score, stage in stages.items()}
    return {score: its for score, its in columns.items() if its and score not in pages.UNMEASURED}


def _facts(stages: dict[str, Any]) -> None:
    for score, stage in stages.items():
        _put(score, "facts", facts(stage, stage.score_columns()))
    index = pages.page("index")
    index.write_text(
        pages.with_block(index.read_text(encoding="utf-8"), "columns", pages.index_block()), encoding="utf-8"
    )


def _measure(stages: dict[str, Any], materials: dict[str, str]) -> None:
    columns = _measurable(stages)
    found = measure({name: Path(place) for name, place in materials.items()}, columns)
    pages.write_measured(found)
    for score, measured in found.items():
        _put(score, "measured", table(measured))


def _examples(stages: dict[str, Any]) -> None:
    from tools.score_pages.examples import block, choose, draw, score_examples
    from tools.score_pages.material import example_files

    files = example_files()
    columns = _measurable(stages)
    scored = score_examples(files, list(columns))
    pages.PICTURES.mkdir(parents=True, exist_ok=True)
    for score, its in columns.items():
        chosen = choose(scored, score, its)
        (pages.PICTURES / f"{score}.webp").write_bytes(draw(chosen, files, its))
        _put(score, "examples", block(score, chosen, its))


def _put(score: str, name: str, block: str) -> None:
    place = pages.page(score)
    try:
        place.write_text(pages.with_block(place.read_text(encoding="utf-8"), name, block), encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"left out: {place.name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
