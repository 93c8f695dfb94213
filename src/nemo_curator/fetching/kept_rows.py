"""The rows of a shard under way: in memory while they are few bytes, and in a file without a name beyond that.

Put in and asked for a URL by the thread of the event loop; read in order by another one when all URLs are answered.
"""

from __future__ import annotations

import struct
import tempfile
from array import array
from collections.abc import Iterator

from nemo_curator import storage
from nemo_curator.fetching.url_list import ListRow

_HEAD = struct.Struct("<QQQQ")  # bytes of the URL, the trouble, the caption and the further columns
_ERRORS = "surrogatepass"  # a list may hold halves of a letter, which come back as they were


class KeptRows:
    """Rows of a list, one behind the other.

    Args:
        first: Number of the first one.
        folder: Local folder for the file, which a kill leaves nothing of.
        most: Bytes that are held in memory at most.
    """

    def __init__(self, first: int, folder: str, most: int) -> None:
        self.first, self._folder = first, folder
        self._starts = array("Q")
        self._end = 0
        self._file = tempfile.SpooledTemporaryFile(max_size=max(most, 1), dir=folder)  # noqa: SIM115  closed by `close`

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, row: ListRow) -> None:
        """Append the next row.

        Raises:
            StorageError: The disk is full, or fails.
        """
        parts = [*(text.encode(errors=_ERRORS) for text in (row.url, row.trouble, row.caption)), row.more]
        self._starts.append(self._end)
        try:
            self._file.seek(self._end)
            for part in (_HEAD.pack(*map(len, parts)), *parts):
                self._file.write(part)
        except OSError as error:
            raise storage.storage_error(self._folder, error) from error
        self._end += _HEAD.size + sum(map(len, parts))

    def url(self, number: int) -> str:
        """The URL of a row, as it stands in the list.

        Raises:
            StorageError: It cannot be read.
        """
        return self._row(number, whole=False).url

    def urls(self) -> Iterator[ListRow]:
        """All rows in order, without captions and further columns, which may be long.

        Raises:
            StorageError: They cannot be read.
        """
        for at in range(len(self)):
            yield self._row(self.first + at, whole=False)

    def __iter__(self) -> Iterator[ListRow]:
        for at in range(len(self)):
            yield self._row(self.first + at)

    def close(self) -> None:
        """Give the rows up."""
        self._file.close()

    def __del__(self) -> None:
        self.close()  # of rows that a fetch was stopped with, between the thread that read them and the shard

    def _row(self, number: int, *, whole: bool = True) -> ListRow:
        try:
            self._file.seek(self._starts[number - self.first])
            sizes = _HEAD.unpack(self._file.read(_HEAD.size))
            parts = [self._file.read(size) for size in sizes[: None if whole else 2]]
        except OSError as error:
            raise storage.storage_error(self._folder, error, verb="be read") from error
        url, trouble = _text(parts[0]), _text(parts[1])
        return (
            ListRow(number, url, _text(parts[2]), parts[3], trouble) if whole else ListRow(number, url, trouble=trouble)
        )


def _text(data: bytes) -> str:
    return data.decode(errors=_ERRORS)
