"""Samples whose images are made anew on their way out: what each becomes, in the order in which they were asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pyarrow as pa

from nemo_curator.codecs.rendition import EXTENSIONS, Rendition
from nemo_curator.kernels.source import Member
from nemo_curator.runs.rendering import Rendering, RenderPool, Unrendered
from nemo_curator.shards.naming import free_extension

MADE: dict[str, pa.DataType] = {
    "rendered": pa.bool_(),
    "delivered_format": pa.string(),
    "delivered_width": pa.int64(),
    "delivered_height": pa.int64(),
    "delivered_bytes": pa.int64(),
    "delivered_sha256": pa.string(),
}
"""Columns about the image as it was delivered, where an export makes images anew; those of every image have values."""

_AHEAD = 3  # samples that wait for each child
_HELD = 1 << 26  # bytes of samples that wait at most, unless one alone has more


@dataclass(frozen=True, slots=True)
class Made:
    """The image of a sample as it is delivered.

    Attributes:
        rendered: Whether it was made anew; else these are its own bytes.
        format: Its format.
        width: Its width in pixels, upright.
        height: Its height in pixels, upright.
        bytes: Its length.
        sha256: Hex digest of its bytes.
    """

    rendered: bool
    format: str | None
    width: int | None
    height: int | None
    bytes: int
    sha256: str


Contents = list[bytes] | str | Unrendered
"""Bytes of a sample's files; a sentence where its source cannot be had; why its image could not be made."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What is known of a sample's image before its bytes are.

    Attributes:
        own: The image as it came.
        extension: What its file's extension becomes; "" where that stays.
        renders: Whether it is made anew.
        primary: Index of its file; -1 where there is none.
        seconds: Processor time that making it may take.
    """

    own: Made
    extension: str
    renders: bool
    primary: int
    seconds: float = 0.0


def aim(rendition: Rendition, row: dict[str, Any], members: list[Member]) -> Aim:
    """What becomes of one sample's image.

    Args:
        rendition: What images become.
        row: `format`, `width`, `height` and `primary` of its row.
        members: Its files, as in the source.
    """
    primary = row["primary"] if row["primary"] is not None else -1
    known, width, height = row["format"] or "", row["width"], row["height"]
    own = members[primary] if 0 <= primary < len(members) else Member("", "", 0, 0)
    made = Made(rendered=False, format=known, width=width, height=height, bytes=own.length, sha256=own.sha256)
    target = rendition.target(known, width or 1, height or 1)
    if primary < 0 or target is None:
        return Aim(made, "", renders=False, primary=primary)
    extension = EXTENSIONS[target.format] if target.format != known else ""
    return Aim(made, extension, renders=True, primary=primary, seconds=rendition.seconds(target))


def with_extension(members: list[Member], aimed: Aim) -> list[Member]:
    """The files of a sample with the extension that its image is going to have; all others keep their names."""
    if not aimed.extension:
        return members
    own = members[aimed.primary]
    front = own.extension.rpartition(".")[0]
    others = [one.extension for at, one in enumerate(members) if at != aimed.primary]
    extension = free_extension(f"{front}.{aimed.extension}" if front else aimed.extension, others)
    changed = Member(own.name, extension, own.offset, own.length)
    return [changed if at == aimed.primary else one for at, one in enumerate(members)]


def made_in_order(
    found: Iterable[list[bytes] | str], aims: list[Aim], pool: RenderPool
) -> Iterator[tuple[Contents, Made]]:
    """Samples with their images made anew, in their order.

    Args:
        found: Bytes of each sample's files, or why they cannot be had.
        aims: What becomes of each one's image.
        pool: What makes them.

    Yields:
        (what is delivered, what its image is now).
    """
    waiting: deque[tuple[Contents, Aim, Rendering | None]] = deque()
    held, most = 0, _AHEAD * pool.workers + 1
    for contents, aimed in zip(found, aims, strict=True):
        rendering = None
        if not isinstance(contents, str) and aimed.renders:
            rendering = pool.submit(contents[aimed.primary], aimed.seconds)
        waiting.append((contents, aimed, rendering))
        held += _size(contents)
        while waiting and (len(waiting) > most or held > _HELD or _is_there(waiting[0][2])):
            held -= _size(waiting[0][0])
            yield _finished(*waiting.popleft())
    while waiting:
        yield _finished(*waiting.popleft())


def _is_there(new: Rendering | None) -> bool:
    return new is None or new.done()


def _size(contents: Contents) -> int:
    return sum(map(len, contents)) if isinstance(contents, list) else 0


def _finished(contents: Contents, aimed: Aim, rendering: Rendering | None) -> tuple[Contents, Made]:
    if rendering is None or not isinstance(contents, list):
        return contents, aimed.own
    new = rendering.result()
    if isinstance(new, Unrendered):
        return new, aimed.own
    changed = [new.data if at == aimed.primary else data for at, data in enumerate(contents)]
    digest = sha256(new.data).hexdigest()
    same = digest == aimed.own.sha256
    return changed, Made(not same, new.format, new.width, new.height, len(new.data), digest)


def delivered_members(table: pa.Table, members: list[list[Member]], primary: list[int]) -> list[list[Member]]:
    """The files of samples as they were delivered, with the lengths and hashes that they have there.

    Args:
        table: Rows of a delivered Parquet; without the columns of `MADE`, all files are as in the source.
        members: The files of each row, as in the source.
        primary: Index of each one's image.
    """
    if "delivered_sha256" not in table.column_names:
        return members
    lengths, digests = table["delivered_bytes"].to_pylist(), table["delivered_sha256"].to_pylist()
    found = []
    for its, first, length, digest in zip(members, primary, lengths, digests, strict=True):
        if 0 <= first < len(its) and isinstance(digest, str) and isinstance(length, int):
            own = its[first]
            new = Member(own.name, own.extension, own.offset, length, digest)
            its = [new if at == first else one for at, one in enumerate(its)]  # noqa: PLW2901 (a list of its own)
        found.append(its)
    return found
