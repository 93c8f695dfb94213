"""The answer to a search as a page to look at: thumbnails, nearest first, in one self-contained HTML file.

Like the report it opens from disk, asks no network for anything and runs no script; what the report would blur or not
show is blurred or not shown here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nemo_curator import storage
from nemo_curator.errors import OutputExistsError
from nemo_curator.report.development import thumbnails_of
from nemo_curator.report.facts import read_facts
from nemo_curator.report.figure import Figure
from nemo_curator.report.figures import Gallery
from nemo_curator.report.page import environment
from nemo_curator.report.samples import Row
from nemo_curator.report.thumbnails import MOST_BYTES, Thumbnailer, within
from nemo_curator.report.words import shown, shown_id
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import ERROR
from nemo_curator.shards.names import relative_path
from nemo_curator.stages.image.io.rows import IDENTITY

_MARK = b'<meta name="generator" content="imagecurator search">'
_HEAD = 2_000  # bytes in which the mark of a page of ours stands
_LONGEST = 300  # characters of a text that was looked for
_VERDICTS = {"keep": "kept", "reject": "rejected", "duplicate": "duplicate", "quarantine": "quarantined"}


@dataclass(frozen=True, slots=True)
class Near:
    """One image to show.

    Attributes:
        cosine: How near it is.
        row: Its row of the part.
        location: What opens its shard or file; "" where nobody knows.
        decision: Its row of the decisions; None where there is none.
    """

    cosine: float
    row: Mapping[str, Any]
    location: str
    decision: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What was looked for, and where.

    Attributes:
        image: Path or URL of the picture, or "".
        text: The words, or "".
        model: Whose embeddings were compared, or "".
        searched: How many images were looked at.
        notes: What a reader should know, in sentences.
    """

    image: str = ""
    text: str = ""
    model: str = ""
    searched: int = 0
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Everything on the page.

    Attributes:
        name: What the run is called.
        text: Words that were looked for, fit to be shown, or "".
        picture: The picture that was looked for, or None.
        model: Whose embeddings were compared.
        searched: How many images were looked at.
        figures: The nearest, nearest first.
        notes: Sentences.
    """

    name: str
    text: str
    picture: Figure | None
    model: str
    searched: int
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]


def check_page(place: str, *, replace: bool) -> None:
    """Make sure that a page may be written to a place.

    Args:
        place: Path or URL of a file.
        replace: Whether an earlier page of a search may be replaced; nothing else ever is.

    Raises:
        OutputExistsError: Something is there.
    """
    if not storage.exists(place):
        return
    if replace and not storage.is_directory(place):
        with storage.open(place) as file:
            if _MARK in file.read(_HEAD):
                return
    what = "this is no page of a search, and is not replaced" if replace else "this exists already"
    raise OutputExistsError(
        what, where=place, act="name another file" if replace else "name another file, or pass --replace"
    )


def write_search_page(run: RunDirectory, place: str, asked: Asked, near: Sequence[Near]) -> None:
    """Write the page.

    Args:
        run: The run that was searched.
        place: Path or URL of the page.
        asked: What was looked for.
        near: What was found, nearest first.

    Raises:
        StorageError: The page cannot be written.
        OSError: `run.json`, or the picture that was looked for, cannot be read.
    """
    facts = read_facts(run)
    rows = {at: _row(one) for at, one in enumerate(near)}
    decided = {at: dict(one.decision) for at, one in enumerate(near) if one.decision is not None}
    scores = [name for name in (near[0].row if near else {}) if name not in IDENTITY and name not in ERROR]
    with Thumbnailer(facts.image_seconds) as thumbnailer:
        picture = _picture(asked.image, thumbnailer) if asked.image else None
    unshown = {at for at in rows if decided.get(at, {}).get("rule") in facts.known}
    thumbnails = thumbnails_of(rows, facts.image_seconds, unshown=unshown)
    gallery = Gallery(rows, decided, facts.rules, scores, within(thumbnails, rows, MOST_BYTES))
    figures = tuple(replace(gallery.figure(at), compared=_told(one)) for at, one in enumerate(near))
    page = SearchPage(
        facts.name,
        shown(asked.text, _LONGEST),
        picture,
        asked.model,
        asked.searched,
        figures,
        tuple(shown(one, 1_000) for one in asked.notes),
    )
    html = environment().get_template("search.html.j2").render(page=page, mark=_MARK.decode())
    with storage.write_atomic(place) as file:
        file.write(html.encode("utf-8", "replace"))


def _row(one: Near) -> Row:
    """As the report has its rows."""
    return {**one.row, "caption": one.row["caption"] or "", "location": one.location or None}


def _told(one: Near) -> str:
    if one.decision is None:
        return f"{one.cosine:.4f}"
    verdict, rule = one.decision["verdict"], one.decision["rule"]
    by = f" by {shown(rule, 80)}" if verdict == "reject" and rule else ""
    return f"{one.cosine:.4f}, {_VERDICTS.get(verdict, verdict)}{by}"


def _picture(image: str, thumbnailer: Thumbnailer) -> Figure:
    """The picture that was looked for; it needs no report's care: who asks has it."""
    name = relative_path(image, "")
    member = {"name": name, "extension": "", "offset": 0, "length": storage.stat(image).size, "sha256": ""}
    thumbnail = thumbnailer.make({"members": [member], "primary": 0}, image)
    missing = shown(thumbnail.missing, 160)
    return Figure(shown_id(name), "", "", "", thumbnail.uri, missing, thumbnail.shape, unsafe="")
