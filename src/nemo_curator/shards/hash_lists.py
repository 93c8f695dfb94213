"""Lists of hashes of known images, as exchanges and hashing tools write them: text, CSV, Parquet."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.kernels.hamming import HammingIndex
from nemo_curator.shards.parquet import open_parquet

KINDS = {"md5": 16, "sha256": 32, "pdq": 32}
"""Kind of hash to its length in bytes."""

_PARQUET = b"PAR1"
_BOM = b"\xef\xbb\xbf"
_LONGEST = 1 << 16  # bytes of a line
_OFTEN = 4096  # lines after which it is tried again whether many like each other follow
_EVEN = 1 << 14  # lines in a block of such
_HEX = np.full(256, 255, np.uint8)  # byte to the value of the hex digit
_HEX[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
_HEX[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16)
_SHOWN = 40  # characters of a wrong line that an error shows
_TYPES = ("type", "kind", "algorithm")
_SAY = "name the file *.sha256 or *.pdq (or *.pdq.txt), or begin it with a line `# sha256` or `# pdq`"


@dataclass(frozen=True, eq=False)
class HashList:
    """A named set of hashes, as read from a file.

    Attributes:
        name: What verdicts call it.
        file: The file's base name, for reasons and manifests.
        md5: `(N, 16)` uint8, sorted, each once.
        sha256: `(N, 32)` uint8, sorted, each once.
        pdq: `(N, 32)` uint8, sorted, each once.
        where: Where it is named, for errors.
    """

    name: str
    file: str
    md5: npt.NDArray[np.uint8]
    sha256: npt.NDArray[np.uint8]
    pdq: npt.NDArray[np.uint8]
    where: str = field(default="", kw_only=True)

    def __len__(self) -> int:
        return len(self.md5) + len(self.sha256) + len(self.pdq)

    def has(self, kind: str, value: bytes) -> bool:
        """Whether it holds exactly that hash."""
        hashes: npt.NDArray[np.uint8] = getattr(self, kind)
        low, high = 0, len(hashes)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if hashes[middle].tobytes() < value else (low, middle)
        return low < len(hashes) and hashes[low].tobytes() == value

    @cached_property
    def digest(self) -> str:
        """SHA-256 in hex of the sorted hashes, kind by kind: it depends on the set alone."""
        digest = hashlib.sha256()
        for kind in KINDS:
            hashes: npt.NDArray[np.uint8] = getattr(self, kind)
            digest.update(f"{kind} {len(hashes)}\n".encode())
            digest.update(hashes.data)
        return digest.hexdigest()

    @cached_property
    def near(self) -> HammingIndex:
        """The PDQ hashes, to be searched; made when it is first asked for."""
        return HammingIndex(self.pdq)


def read_hash_list(name: str, url: str, where: str = "") -> HashList:
    """Read a list of hashes in hex.

    A line of text begins with a hash, or with `md5,`, `sha256,` or `pdq,` and a hash; what follows after a space, comma
    or semicolon has no meaning, so that the output of `md5sum` and of PDQ's hashing tools is a list. Lines that begin
    with `#` are comments. 32 digits are an MD5; 64 digits are what the file's name (`bad.pdq.txt`) or a comment
    `# pdq` says. A CSV with a first line of names, and a Parquet, have columns `md5`, `sha256`, `pdq`, or `hash` and
    `type`.

    Args:
        name: What verdicts call it.
        url: Path or URL of the file.
        where: Where it is named, for errors.

    Raises:
        InputError: The file cannot be read, or something in it is no hash.
    """
    file = url.rstrip("/").rpartition("/")[2]
    found = _Found(url)
    try:
        with storage.open(url) as stream:
            parquet = stream.read(4) == _PARQUET
            stream.seek(0)
            if not parquet:
                _read_text(_Lines(stream, url), _kind_of_name(file), found)
        if parquet:
            _read_parquet(url, found)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            "this list of hashes cannot be read", where=url, cause=str(error), act="check the path and the file"
        ) from None
    return HashList(name, file, *(found.sorted(kind) for kind in KINDS), where=where)


class _Found:
    """The hashes of a file, as they are met."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._bytes = {kind: bytearray() for kind in KINDS}

    def add(self, kind: str, digits: str, place: str) -> None:
        """One hash in hex."""
        try:
            value = bytes.fromhex(digits)
        except ValueError:
            value = b""
        if len(value) != KINDS[kind] or len(digits) != 2 * KINDS[kind]:
            raise self.wrong(place, digits, f"{kind} has {2 * KINDS[kind]} hex digits")
        self._bytes[kind] += value

    def add_all(self, kind: str, values: npt.NDArray[np.uint8]) -> None:
        """Many hashes as bytes, a row each."""
        self._bytes[kind] += values.tobytes()

    def wrong(self, place: str, text: str, cause: str) -> InputError:
        """What to say of something that is no hash."""
        written = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        return InputError(
            f"{place}: {written!r} is no hash", where=self.url, cause=cause, act="correct it, or begin the line with #"
        )

    def sorted(self, kind: str) -> npt.NDArray[np.uint8]:
        """All hashes of a kind, sorted, each once."""
        size = KINDS[kind]
        return _unique(np.frombuffer(self._bytes.pop(kind), np.uint8).reshape(-1, size))


def _unique(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Rows of bytes sorted, each once; by their first eight bytes, and by the others only where those are equal."""
    words = rows.view(">u8").astype(np.uint64)
    order = np.argsort(words[:, 0])
    words = words[order]
    same = words[1:, 0] == words[:-1, 0]
    tied = np.flatnonzero(np.concatenate([same, [False]]) | np.concatenate([[False], same])[: len(words)])
    words[tied] = words[tied][np.lexsort(words[tied].T[::-1])]
    first = np.concatenate([[True], (words[1:] != words[:-1]).any(axis=1)])[: len(words)]
    bigendian: npt.NDArray[Any] = words[first].astype(">u8")
    return bigendian.view(np.uint8)


def _kind_of_name(file: str) -> str:
    """The kind that a file's name says in one of its last two extensions, or ""."""
    for part in reversed(file.lower().split(".")[1:][-2:]):
        if part in KINDS:
            return part
    return ""


class _Lines:
    """The lines of a text that say something.

    Attributes:
        stream: Where they come from; it stands behind the line that was given last.
        number: The number of that line.
    """

    def __init__(self, stream: BinaryIO, url: str) -> None:
        self.stream = stream
        self.number = 0
        self._url = url

    def __iter__(self) -> Iterator[str]:
        """Their text; what is no UTF-8 cannot be part of a hash."""
        while line := self.stream.readline(_LONGEST + 1):
            self.number += 1
            if len(line) > _LONGEST:
                raise InputError(
                    f"line {self.number} is longer than {_LONGEST:,} bytes",
                    where=self._url,
                    cause="this is no list of hashes",
                    act="write one hash a line",
                )
            start = _BOM if self.number == 1 else b""
            if text := line.removeprefix(start).decode("utf-8", "replace").strip():
                yield text


def _read_text(lines: _Lines, kind: str, found: _Found) -> None:
    begun = 0
    for line in lines:
        if line.startswith("#"):
            said = line.strip("# \t").lower().replace("-", "")
            kind = said if said in KINDS and not begun else kind
            continue
        if not begun and (names := _names(line)):
            _read_csv(lines, line, names, found)
            return
        _read_line(line, kind, f"line {lines.number}", found)
        if begun % _OFTEN == 0:
            lines.number += _read_even(lines.stream, kind or "md5", found)
        begun += 1


def _read_even(stream: BinaryIO, kind: str, found: _Found) -> int:
    """Take blocks of lines that are each a hash and nothing else, a thousand times as fast; how many lines there were.

    What is left of the stream begins with a block that has another line in it, or with the last one.
    """
    digits = 2 * KINDS[kind]
    taken = 0
    while True:
        place = stream.tell()
        ending = b"\r\n" if stream.read(digits + 2)[digits:] == b"\r\n" else b"\n"
        width = digits + len(ending)
        stream.seek(place)
        block = stream.read(width * _EVEN)
        lines = np.frombuffer(block[: len(block) // width * width], np.uint8).reshape(-1, width)
        values = _HEX[lines[:, :digits]]
        even = (values < 16).all() and (lines[:, digits:] == np.frombuffer(ending, np.uint8)).all()
        stream.seek(place + (lines.size if even else 0))
        if not even or not len(lines):
            return taken
        found.add_all(kind, np.bitwise_or(values[:, ::2] << np.uint8(4), values[:, 1::2]))
        taken += len(lines)


def _read_line(line: str, kind: str, place: str, found: _Found) -> None:
    words = line.replace(",", " ").replace(";", " ").split(maxsplit=2) or [line]
    said = words[0].lower()
    if said in KINDS and len(words) > 1:
        found.add(said, words[1], place)
        return
    digits = words[0].strip("\"'")
    if not kind and len(digits) == 2 * KINDS["pdq"]:
        raise InputError(
            f"{place}: 64 hex digits may be a SHA-256 or a PDQ hash, and nothing says which", where=found.url, act=_SAY
        )
    found.add(kind or "md5", digits, place)


def _names(line: str) -> list[str]:
    """The columns that a first line names, or none where it names no column of hashes."""
    names = [cell.strip().lower().replace("-", "") for cell in next(csv.reader([line], delimiter=_delimiter(line)), [])]
    return names if {*KINDS, "hash"} & set(names) and not any(_is_hex(cell) for cell in names) else []


def _is_hex(cell: str) -> bool:
    return len(cell) >= 2 * KINDS["md5"]


def _delimiter(line: str) -> str:
    return next((one for one in ("\t", ";") if one in line), ",")


def _read_csv(lines: _Lines, first: str, names: Sequence[str], found: _Found) -> None:
    delimiter = _delimiter(first)
    chosen = _columns(names, found)
    last = max(names.index(one) for one in chosen)
    for line in lines:
        if line.startswith("#"):
            continue
        place = f"line {lines.number}"
        try:
            cells = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error as error:
            raise found.wrong(place, line, str(error)) from None
        row = dict(zip(names, (cell.strip() for cell in cells), strict=False))
        if len(cells) <= last and not any(row.get(one) for one in chosen):
            # such as a line with another delimiter, whose hash would pass unseen
            raise found.wrong(place, line, f"the first line names {len(names)} columns, and this one has {len(cells)}")
        _take(row, chosen, place, found)


def _columns(names: Sequence[str], found: _Found) -> list[str]:
    """Which columns hold hashes: those named after a kind, or `hash`, for which a column says the kind."""
    chosen = [kind for kind in KINDS if kind in names]
    if not chosen and "hash" in names and any(one in names for one in _TYPES):
        return ["hash"]
    if chosen:
        return chosen
    raise InputError(
        "nothing says which column holds hashes, and of which kind",
        where=found.url,
        cause=f"its columns are {', '.join(names)[:200]}",
        act="name the columns md5, sha256 or pdq, or hash and type",
    )


def _take(row: dict[str, str], chosen: Sequence[str], place: str, found: _Found) -> None:
    for column in chosen:
        digits = row.get(column) or ""
        kind = column
        if column == "hash" and digits:
            said = next((row.get(one) or "" for one in _TYPES if one in row), "")
            kind = said.strip().lower().replace("-", "")
            if kind not in KINDS:
                raise found.wrong(place, digits, f"its type is {said[:_SHOWN]!r}, and md5, sha256 and pdq are known")
        if digits:
            found.add(kind, digits, place)


def _read_parquet(url: str, found: _Found) -> None:
    with open_parquet(url) as parquet:
        names = {name.lower().replace("-", ""): name for name in parquet.schema_arrow.names}
        chosen = _columns(list(names), found)
        wanted = [*chosen, *(one for one in _TYPES if one in names and chosen == ["hash"])]
        start = 1
        for batch in parquet.iter_batches(columns=[names[one] for one in wanted]):
            columns = [batch[names[one]].to_pylist() for one in wanted]
            for at, values in enumerate(zip(*columns, strict=True), start):
                row = {one: _text(value) for one, value in zip(wanted, values, strict=True)}
                _take(row, chosen, f"row {at}", found)
            start += batch.num_rows


def _text(value: object) -> str:
    """A cell as text: hashes may be stored as their bytes."""
    return "" if value is None else value.hex() if isinstance(value, bytes) else str(value).strip()
