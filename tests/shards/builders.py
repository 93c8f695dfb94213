"""Small archives and files for the tests of this folder."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from hypothesis import strategies as st

JPEG = b"\xff\xd8\xff\xe0" + b"\0\x10JFIF\0" + bytes(range(200))
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(150))

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def info(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """A member's header."""
    header = tarfile.TarInfo(name)
    header.size, header.type, header.linkname = size, kind, link
    return header


def tar_bytes(members: list[tuple[str | tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of names (or headers) and data."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for name, data in members:
            header = info(name) if isinstance(name, str) else name
            if isinstance(name, str):
                header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return file.getvalue()


def resealed(data: bytes | bytearray, at: int = 0) -> bytes:
    """`data` with the checksum of the header at `at` made right."""
    data = bytearray(data)
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


def block_padded(data: bytes) -> bytes:
    """`data` with zeros to the end of its last block."""
    return data + bytes(-len(data) % 512)


def pax_body(records: list[tuple[bytes, bytes]]) -> bytes:
    """The body of a PAX header."""
    body = b""
    for key, value in records:
        rest = len(key) + len(value) + 3
        length = rest + len(str(rest))
        length = rest + len(str(length))
        body += b"%d %s=%s\n" % (length, key, value)
    return body


def write(path: Path, data: bytes) -> str:
    """Write a file with the directories it needs; returns its path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def names_in(place: Path | str) -> list[str]:
    """The names in a directory, sorted."""
    return sorted(path.name for path in Path(place).iterdir())


def open_files() -> int:
    """How many files this process holds open; sockets and the like come and go with what other tests left behind."""
    links = [Path("/proc/self/fd", name) for name in names_in("/proc/self/fd")]
    return sum(link.readlink().is_absolute() for link in links if link.is_symlink())


def three_samples() -> list[tuple[str | tarfile.TarInfo, bytes]]:
    """Members of three samples of image, caption and JSON."""
    members: list[tuple[str | tarfile.TarInfo, bytes]] = []
    for number in range(3):
        key = f"{number:04d}"
        image = (JPEG, PNG, JPEG)[number] + bytes([number]) * (number * 700)
        members += [(f"{key}.jpg", image), (f"{key}.txt", b"caption"), (f"{key}.json", b"{}")]
    return members


def member_names() -> st.SearchStrategy[str]:
    """Names that an archive may hold: any text without zeros or slashes at the ends, undecodable bytes included."""
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0/")
    undecodable = st.integers(0x80, 0xFF).map(lambda byte: chr(0xDC00 + byte))
    part = st.text(letters, min_size=1, max_size=60) | undecodable.map(lambda byte: f"a{byte}b")
    return st.lists(part, min_size=1, max_size=5).map("/".join)
