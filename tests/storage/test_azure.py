"""Files on Azure, whose client adlfs does some things otherwise than others; a store in memory does as it does."""

from __future__ import annotations

from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from nemo_curator import storage


class _AzureFiles(MemoryFileSystem):
    """A backend that does what adlfs does otherwise than others."""

    protocol = "az"
    cachable = False

    def find(self, path, maxdepth=None, withdirs=False, detail=False, **kwargs):
        """Heed no depth, and give no details of a file."""
        return [path] if self.isfile(path) else super().find(path, withdirs=withdirs, detail=detail)

    def cat_file(self, path, start=None, end=None, **kwargs):
        """Know no end of a file."""
        if start is not None and start < 0:
            raise ValueError("the offset is negative")
        return super().cat_file(path, start, end)


def test_azure(memory, monkeypatch):
    """A folder is listed as deep as asked, a file is its own list, and an end is asked for by the file's length."""
    monkeypatch.setitem(_registry, "az", _AzureFiles)
    for name in ("a", "b/c"):
        with storage.write_atomic(f"az://box/{name}") as file:
            file.write(b"0123456789")
    assert [one.url for one in storage.list("az://box", recursive=False)] == ["az://box/a"]
    assert [one.url for one in storage.list("az://box")] == ["az://box/a", "az://box/b/c"]
    assert storage.list("az://box/b/c") == [storage.Stored("az://box/b/c", 10)]
    assert [storage.read_end("az://box/a", length) for length in (0, 3, 20)] == [b"", b"789", b"0123456789"]
    with storage.open("az://box/a", from_end=True) as file:
        file.seek(-4, 2)
        assert file.read() == b"6789"
