"""`report.html`: one page that shows what a run did, complete in itself.

It opens from disk, asks no network for anything and runs no script; a content security policy in the page holds it
to that, whatever captions and file names may try.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from nemo_curator import storage
from nemo_curator.report import words
from nemo_curator.report.content import Page
from nemo_curator.report.gather import gather
from nemo_curator.runs.layout import RunDirectory


def write_report(run: RunDirectory) -> None:
    """Write `report.html` of a decided run.

    Of each verdict it shows a sample that is evenly spread in source order and always the same. A thumbnail that cannot
    be made is a placeholder that says why. The page stays under 5 MB for a run of any size.

    Args:
        run: The run; its parts and decisions are there.

    Raises:
        StorageError: The page cannot be written.
        OSError: A file of the run cannot be read.
    """
    page = render(gather(run))
    with storage.write_atomic(run.report) as file:
        file.write(page.encode("utf-8", "replace"))


def render(page: Page) -> str:
    """The page as HTML; everything that comes from the run is escaped."""
    return environment().get_template("page.html.j2").render(page=page)


def environment() -> Environment:
    """What renders the templates beside this module: it escapes everything, and takes no name that is not there."""
    found = Environment(
        loader=PackageLoader("nemo_curator.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"number": words.number, "share": words.share, "plural": words.plural}
    return found
