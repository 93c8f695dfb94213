"""What each file of an input is: a tar, a Parquet of images, an image, a sidecar, nothing to account for, or a stray.

Decided by name where the name is enough, else by the file's first bytes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from nemo_curator.kernels.sniff import IMAGE_EXTENSIONS, extension_of, sniff
from nemo_curator.shards.fetched import fetch_tables
from nemo_curator.shards.names import is_arrow_name, is_parquet_name, is_tar_name, shard_stem, split_loose

HEAD_BYTES = 512
"""How many first bytes are looked at: a tar says so in its first block."""

# Files of these names beside an image of the same stem are its sidecars and need not be opened to know it.
_DATA_EXTENSIONS = frozenset(
    {*("txt", "text", "caption", "cap", "cls", "json", "jsonl", "xml", "yaml", "yml", "csv", "tsv")}
    | {*("npy", "npz", "pt", "pth", "safetensors")}
)

_DOCUMENT = re.compile(
    r"(licen[cs]e|readme|copying|notice|changelog|changes|authors|contributors|citation|credits|attribution)s?"
    r"([-_][a-z0-9._-]*?)?(\.(md|txt|rst))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class File:
    """One file to classify.

    Attributes:
        path: Relative path, as text.
        location: Path or URL that opens it.
        size: Bytes.
        readable: Whether it may be opened at all (a pipe, say, may not).
        version: Changes when it is written anew; "" where nobody knows.
    """

    path: str
    location: str
    size: int
    readable: bool = True
    version: str = ""


@dataclass(slots=True)
class Classified:
    """Files by what they are, each list in the order given.

    Attributes:
        tars: Shards, by name or content.
        parquets: Parquet files that hold images.
        arrows: Arrow streams that hold images.
        images: Each with the paths of its sidecars, sorted.
        strays: What is nothing else.
        ignored: Path and reason of what is nothing to account for.
    """

    tars: list[File] = field(default_factory=list)
    parquets: list[File] = field(default_factory=list)
    arrows: list[File] = field(default_factory=list)
    images: list[tuple[File, tuple[str, ...]]] = field(default_factory=list)
    strays: list[File] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)


def classify(
    files: Iterable[File], peek: Callable[[File], bytes], holds_images: Callable[[File], bool] = lambda _: False
) -> Classified:
    """Sort out the files of one input.

    Hidden files and documents such as LICENSE or README.md are ignored. Tars and images are known by their names, or by
    their first bytes where the name says neither. Any other file is a sidecar of the images in its directory that
    share its stem up to the last dot, and a stray where there is none. A Parquet that is nobody's sidecar is a shard
    where it holds images; beside a tar of its stem it is what is known of that tar, and is not looked into. So
    it is with an Arrow stream.

    Args:
        files: All of them, sorted.
        peek: Reads up to `HEAD_BYTES` first bytes of a file, b"" where it cannot; called only where the name is not
            enough.
        holds_images: Whether a Parquet or Arrow stream has a column of images; called only for one that may be a shard.
    """
    result = Classified()
    images: dict[str, list[File]] = defaultdict(list)  # by stem
    others: list[File] = []
    known = list(files)
    by_path = {file.path: file for file in known}
    tables = fetch_tables(by_path, lambda path: peek(by_path[path]) if by_path[path].readable else b"")
    for file in known:
        if _is_hidden(file.path):
            result.ignored.append((file.path, "hidden"))
        elif file.path in tables:
            result.ignored.append((file.path, "what a fetch of URLs says of itself"))
        elif is_tar_name(file.path):
            result.tars.append(file)
        elif extension_of(file.path) in IMAGE_EXTENSIONS:
            images[split_loose(file.path)[0]].append(file)
        else:
            others.append(file)
    rest = list(_by_content(_without_parquets(others, images, result, holds_images), images, result.tars, peek))
    sidecars: dict[str, list[str]] = defaultdict(list)
    for file in rest:
        stem, _ = split_loose(file.path)
        if stem in images:
            sidecars[stem].append(file.path)
        elif is_document(file.path):
            result.ignored.append((file.path, "a document about the data"))
        else:
            result.strays.append(file)
    for stem, group in images.items():
        result.images.extend((file, tuple(sidecars[stem])) for file in group)
    return result


def _without_parquets(
    files: Iterable[File],
    images: Collection[str],
    result: Classified,
    holds_images: Callable[[File], bool],
) -> Iterator[File]:
    """Put the files that are Parquet or Arrow shards where they belong; yields the others."""
    beside = {*images, *(shard_stem(file.path) for file in result.tars)}
    for file in files:
        named = is_parquet_name(file.path) or is_arrow_name(file.path)
        shard = named and file.readable and split_loose(file.path)[0] not in beside
        if shard and holds_images(file):
            (result.parquets if is_parquet_name(file.path) else result.arrows).append(file)
        else:
            yield file


def _by_content(
    files: Iterable[File], images: dict[str, list[File]], tars: list[File], peek: Callable[[File], bytes]
) -> Iterator[File]:
    """Put the files that are images or tars by content where they belong; yields the others."""
    named = set(images)
    for file in files:
        stem, extension = split_loose(file.path)
        known = extension.lower() in _DATA_EXTENSIONS and stem in named
        head = b"" if known or not file.readable else peek(file)
        if is_tar_head(head):
            tars.append(file)
        elif head and sniff(head):
            images[stem].append(file)
        else:
            yield file


def is_tar_head(head: bytes) -> bool:
    """Whether a file that begins with these `HEAD_BYTES` is an uncompressed tar."""
    return head[257:262] == b"ustar"


def is_document(path: str) -> bool:
    """Whether the name is that of a LICENSE, README or the like."""
    return _DOCUMENT.fullmatch(path.rsplit("/", 1)[-1]) is not None


def _is_hidden(path: str) -> bool:
    return path.startswith(".") or "/." in path
