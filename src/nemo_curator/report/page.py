"""`report.html`: one page that shows what a run did, complete in itself.

It opens from disk and asks no network for anything. A content security policy in the page names its one script and its
one style sheet by their hashes: no other script runs and nothing is loaded, whatever captions and file names may try.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from nemo_curator import storage
from nemo_curator.report import words
from nemo_curator.report.content import Page
from nemo_curator.report.data import embedded, page_data
from nemo_curator.report.developers import Developers
from nemo_curator.report.frame import EMBEDDED, STYLES, Frame
from nemo_curator.report.gather import gather
from nemo_curator.report.weight import MOST_PAGE, lighter
from nemo_curator.runs.layout import RunDirectory

_CHARTS = "third_party/uplot"


def write_report(run: RunDirectory, developers: Developers | None = None) -> int:
    """Write `report.html` of a decided run.

    Counts are exact. Of pictures it shows a sample that is always the same; a thumbnail that cannot be made is a
    placeholder that says why. The page stays under 15 MB for a run of any size, with any number of scores.

    Args:
        run: The run; its parts and decisions are there.
        developers: Processes that make its pictures, where some were started ahead; the caller ends them.

    Returns:
        The length of the page in bytes.

    Raises:
        InputError: The run is not decided, or a file of it is damaged.
        StorageError: The page cannot be written.
        OSError: A file of the run cannot be read.
    """
    page = _light(gather(run, developers))
    with storage.write_atomic(run.report) as file:
        file.write(page)
    return len(page)


def _light(page: Page) -> bytes:
    """The page as it is written: without the last of its pictures, where it would weigh too much with them."""
    whole = render(page).encode("utf-8", "replace")
    if len(whole) <= MOST_PAGE:
        return whole
    return render(lighter(page, len(whole) - MOST_PAGE)).encode("utf-8", "replace")


def render(page: Page) -> str:
    """The page as HTML; everything that comes from the run is escaped."""
    return framed(page, Frame.embedded(page), page_data(page))


def framed(page: Page, frame: Frame, data: dict[str, Any]) -> str:
    """A page as HTML, with what differs where it is served.

    Args:
        page: What it says.
        frame: How it comes to its reader.
        data: What its script is given.
    """
    style, script = assets(frame.styles, frame.scripts)
    return (
        environment()
        .get_template("page.html.j2")
        .render(page=page, frame=frame, data=embedded(data), style=style, script=script, policy=policy_of(frame))
    )


def policy_of(frame: Frame) -> str:
    """The content security policy of a page."""
    style, script = assets(frame.styles, frame.scripts)
    return frame.policy(_hash(style), _hash(script))


@cache
def assets(styles: tuple[str, ...] = STYLES, scripts: tuple[str, ...] = EMBEDDED) -> tuple[str, str]:
    """The style sheet and the script of a page, each with that of the charts in front."""
    style = [f"{_CHARTS}/uPlot.min.css", *(f"style/{name}.css" for name in styles)]
    script = [f"{_CHARTS}/uPlot.iife.min.js", *(f"script/{name}.js" for name in scripts)]
    return "\n".join(map(_read, style)), "\n".join(map(_read, script))


def environment() -> Environment:
    """What renders the templates beside this module: it escapes everything, and takes no name that is not there."""
    found = Environment(
        loader=PackageLoader("nemo_curator.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "number": words.number,
        "share": words.share,
        "plural": words.plural,
        "amount": words.amount,
        "duration": words.duration,
    }
    return found


def _read(name: str) -> str:
    return files("nemo_curator.report").joinpath(name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    """As a content security policy names what an element holds."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
