"""`imagecurator search`: the images of a run that are nearest to a picture or to words."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nemo_curator.cli import options
from nemo_curator.cli.amounts import counted, shown

if TYPE_CHECKING:
    from nemo_curator.pipeline.search import Hit, Hits


class Verdict(StrEnum):
    """Verdicts of images that have an embedding."""

    keep = "keep"
    reject = "reject"
    duplicate = "duplicate"


def search(
    run: options.RunPlace,
    image: Annotated[
        str | None, typer.Option("--image", metavar="FILE", help="Look for images like this one; any format.")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="WORDS", help="Look for what the words say, as in 'a red car'.")
    ] = None,
    top: Annotated[int, typer.Option("--top", "-n", min=1, metavar="N", help="Images to find.")] = 20,
    verdict: Annotated[
        Verdict | None, typer.Option("--verdict", help="Only images that the last decision gave this verdict.")
    ] = None,
    page: Annotated[
        str | None, typer.Option("--page", metavar="FILE", help="Write a page of thumbnails too, as HTML.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the page in the place of an earlier page of a search.")
    ] = False,
    model_dir: options.ModelDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Rank the images of a run by how near their embeddings are to that of a picture, or of words."""
    if (image is None) == (text is None):
        raise typer.BadParameter("say what to look for: one of --image FILE and --text WORDS")
    # imported here so that `--help` and other commands need not wait for pyarrow
    from nemo_curator.pipeline.search import Sought
    from nemo_curator.pipeline.search import search as searched
    from nemo_curator.report.search_page import Asked, Near, check_page, write_search_page
    from nemo_curator.runs.location import run_at

    place = run_at(run)
    if page is not None:
        check_page(page, replace=replace)
    sought = Sought(image or "", text or "", top, verdict.value if verdict else "", model_dir)
    with _progress(quiet=as_json) as progress:
        found = searched(place, sought, progress)
    if page is not None:
        near = [Near(one.cosine, one.row, one.location, one.decision) for one in found.hits]
        asked = Asked(sought.image, sought.text, found.model, found.searched, found.notes)
        write_search_page(place, page, asked, near)
    if as_json:
        sys.stdout.write(json.dumps(_facts(place.root, found, page), indent=2) + "\n")
    else:
        _print(found, page)


def _facts(run: str, found: Hits, page: str | None) -> dict[str, Any]:
    return {
        "run": run,
        "image": found.sought.image or None,
        "text": found.sought.text or None,
        "model": found.model or None,
        "searched": found.searched,
        "notes": list(found.notes),
        "page": page,
        "hits": [
            {
                "cosine": one.cosine,
                "image_id": one.image_id,
                "verdict": one.verdict,
                "rule": one.rule,
                "location": one.location,
                "file": one.file or None,
            }
            for one in found.hits
        ],
    }


def _print(found: Hits, page: str | None) -> None:
    for note in found.notes:
        sys.stderr.write(f"note: {shown(note)}\n")
    width = max((len(shown(one.image_id)) for one in found.hits), default=0)
    for one in found.hits:
        sys.stdout.write(f"{one.cosine:7.4f}  {one.verdict or '-':<9}  {shown(one.image_id):<{width}}  {_where(one)}\n")
    by = f", by embeddings of {found.model}" if found.model else ""
    sys.stdout.write(f"{counted(len(found.hits), 'image')} of {found.searched:,} searched{by}\n")
    if page is not None:
        sys.stdout.write(f"page: {page}\n")


def _where(hit: Hit) -> str:
    return shown(f"{hit.location}#{hit.file}" if hit.file else hit.location)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, which is gone at the end; nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("search", total=None)
        yield lambda begun, total: bar.update(task, completed=begun, total=total)
