"""A tar that is the same bytes for the same members, whoever writes it and when."""

from __future__ import annotations

import hashlib
import tarfile
from types import TracebackType
from typing import BinaryIO, Self

from nemo_curator.kernels.source import Member
from nemo_curator.shards.names import from_text, split_member
from nemo_curator.shards.tar_headers import BLOCK

_PADDING = b"\0" * BLOCK
_AT_ONCE = 1 << 20  # bytes; each call that writes or hashes hands over to the other threads, which costs more than it
_SHORT_NAME, _LARGE = 100, 8**11  # what fits into the plain fields of a header


class TarWriter:
    """Writes members one after another to a file that it neither opens nor closes.

    Mode 0644, owner 0, no owner names, time 0; ustar headers, with a PAX header before a name that is long or not
    ASCII, and raw bytes for one that is not UTF-8. GNU tar, `tarfile` and WebDataset read it. As a context manager
    it writes the end of the archive when the block succeeds, and nothing more when it raises.

    Args:
        file: A binary file at the place where the tar begins; only written to, never read or moved. Small members
            reach it together, at the latest with `close`.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._closed = False
        self._waiting: list[bytes] = []
        self._held = 0
        self.size = 0
        """Bytes written so far; of the whole tar after `close`."""

    @property
    def sha256(self) -> str:
        """Hex digest of the bytes added so far; of the whole tar after `close`."""
        self._flush()
        return self._digest.hexdigest()

    def add(self, name: str, data: bytes, *, sha256: str | None = None) -> Member:
        """Append a member.

        Args:
            name: Its name, as text (see `names`): one that was not UTF-8 gets its own bytes back.
            data: Its bytes.
            sha256: Their hex digest where it is known, which saves computing it.

        Returns:
            Where it lies in the tar.

        Raises:
            ValueError: The name is empty, ends with a slash or holds a zero byte; or the tar is closed.
        """
        if self._closed:
            raise ValueError("the tar is closed")
        if not name or name.endswith("/") or "\0" in name:
            raise ValueError(f"{name!r} is no name for a member")
        self._write(_header(name, len(data)))
        offset = self.size
        self._write(data)
        self._write(_PADDING[: -len(data) % BLOCK])
        digest = hashlib.sha256(data).hexdigest() if sha256 is None else sha256
        return Member(name, split_member(name)[1], offset, len(data), digest)

    def close(self) -> None:
        """Write the end of the archive; the file stays open. Closing twice is harmless."""
        if not self._closed:
            self._write(b"\0" * (2 * BLOCK))
            self._write(b"\0" * (-self.size % tarfile.RECORDSIZE))
            self._flush()
            self._closed = True

    def _write(self, data: bytes) -> None:
        self.size += len(data)
        if len(data) >= _AT_ONCE:
            self._flush()
            self._through(data)
            return
        self._waiting.append(data)
        self._held += len(data)
        if self._held >= _AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._through(b"".join(self._waiting))
            self._waiting.clear()
            self._held = 0

    def _through(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()


def _header(name: str, size: int) -> bytes:
    """The header of a member; short for the names that nearly all have, since `tarfile` takes as long as a hash."""
    if len(name) <= _SHORT_NAME and name.isascii() and "\\" not in name and size < _LARGE:
        block = bytearray(_BLANK)
        block[: len(name)] = name.encode("ascii")
        block[124:135] = b"%011o" % size
        block[148:154] = b"%06o" % sum(block)
        block[154:156] = b"\0 "
        return bytes(block)
    header = tarfile.TarInfo(from_text(name))
    header.size = size  # mode 0644, owner 0 and time 0 are the defaults
    # GNU tar warns of a PAX name in no charset; as raw bytes every reader takes it
    raw = any("\udc80" <= letter <= "\udcff" for letter in header.name) if header.name != name else False
    return header.tobuf(tarfile.GNU_FORMAT if raw else tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _blank() -> bytes:
    """A header without name and size, its checksum spaces, which is how it counts in itself."""
    block = bytearray(tarfile.TarInfo().tobuf(tarfile.USTAR_FORMAT))
    block[148:156] = b" " * 8
    return bytes(block)


_BLANK = _blank()
