"""Tables that name images by URLs and hold none: nothing that a run reads, but what `imagecurator fetch` downloads."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.shards.parquet_schema import is_text

URL_NAMES = ("url", "image_url", "img_url", "imageurl", "image_link", "img_src", "src", "link", "href")
"""Names of columns that are taken for URLs, the most usual first; upper and lower case are alike."""

LIST_KINDS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "txt",
}
"""How the name of a list of URLs ends, and what it then is."""

_FRONT = 1 << 16  # bytes of a text that are looked at: its first line, unless that is no line of a list
_MARK = b"\xef\xbb\xbf"


def list_kind(path: str) -> str:
    """What a list of URLs of this name is; "" where it is none."""
    return next((kind for end, kind in LIST_KINDS.items() if path.lower().endswith(end)), "")


def refuse_url_tables(entries: Sequence[Entry], place: str) -> None:
    """Say before anything is read that an input is a list of URLs, which is fetched first.

    Args:
        entries: All that an input holds.
        place: Path or URL of the input.

    Raises:
        InputError: It holds nothing but tables and texts without images, the first of which has URLs.
    """
    if not entries or any(one.kind != "stray" or not list_kind(one.path) for one in entries):
        return
    found = _urls(entries[0])
    if found:
        raise InputError(
            "this is a list of URLs, and no image is in it",
            where=place,
            cause=f"{entries[0].path!r} has {found}",
            act=f"download them with `imagecurator fetch {place} FETCHED`, and give FETCHED as the input",
        )


def _urls(entry: Entry) -> str:
    """Where a file has URLs, in some words; "" where it has none, or cannot be read."""
    kind = list_kind(entry.path)
    try:
        if kind == "parquet":
            with open_parquet(entry.location) as parquet:
                columns = [one.name for one in parquet.schema_arrow if is_text(one.type)]
            return _named(columns, " and no column of images")
        line = storage.read_range(entry.location, 0, _FRONT).removeprefix(_MARK).split(b"\n", 1)[0]
        return _told_by(line.decode("utf-8", "replace").rstrip("\r"), kind)
    except (OSError, ValueError, RecursionError, csv.Error, pa.ArrowException):
        return ""


def _told_by(line: str, kind: str) -> str:
    """The same of the first line of a text."""
    if kind == "txt":
        alone = len(line.split()) == 1  # a note may begin with an address too
        return f"the line {line[:80]!r}" if alone and line.lower().startswith(("http://", "https://")) else ""
    if kind == "jsonl":
        found = json.loads(line)
        return (
            _named(name for name, value in found.items() if isinstance(value, str)) if isinstance(found, dict) else ""
        )
    return _named(line.split("\t") if kind == "tsv" else next(csv.reader([line]), []))


def _named(columns: Iterable[str], more: str = "") -> str:
    return next((f"the column {name!r}{more}" for name in columns if name.lower() in URL_NAMES), "")
