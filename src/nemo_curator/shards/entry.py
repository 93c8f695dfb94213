"""One file of an input, classified: what listing finds, partitioning groups and the readers read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nemo_curator.kernels.sniff import IMAGE_EXTENSIONS, extension_of
from nemo_curator.shards.names import is_tar_name, relative_path, with_name

Kind = Literal["tar", "parquet", "arrow", "lance", "image", "stray"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file to account for.

    Attributes:
        location: Path or URL that opens it.
        root: The input that it was found under; "" for an input that is a file.
        name: The input's name where ids carry one, else "".
        path: Path relative to `root`, as text (see `names`).
        kind: `tar`, `parquet`, `arrow` or `lance` (rows with a column of images), `image` (by name or
            content), or `stray` (no image, nobody's sidecar).
        size: Bytes, or -1 where nobody asked.
        sidecars: For an image: relative paths (text) of the files that travel with it, sorted; all lie beside it.
        version: Changes when the file is written anew; "" where nobody asked or knows.
    """

    location: str
    root: str
    name: str
    path: str
    kind: Kind
    size: int = -1
    sidecars: tuple[str, ...] = ()
    version: str = ""

    @property
    def is_shard(self) -> bool:
        """Whether it holds samples, instead of being one."""
        return self.kind == "tar" or self.has_rows

    @property
    def has_rows(self) -> bool:
        """Whether it is a table, each row of which is a sample."""
        return self.kind in {"parquet", "arrow", "lance"}

    @property
    def image_id(self) -> str:
        """Id of the sample of a loose file; of a shard, the id of a record about the shard as a whole."""
        return with_name(self.name, self.path)


def entry_at(location: str, *, root: str = "", name: str = "", sidecars: tuple[str, ...] = ()) -> Entry:
    """The entry of a file that is known by its place alone, classified by its name; no file is touched.

    Args:
        location: Path or URL.
        root: The input that it lies under; "" where the file is its own root.
        name: The input's name, or "".
        sidecars: Relative paths of its sidecars.

    Raises:
        InputError: `location` does not lie under `root`.
    """
    kind: Kind = "stray"
    if is_tar_name(location):
        kind = "tar"
    elif extension_of(location) in IMAGE_EXTENSIONS:
        kind = "image"
    return Entry(location, root, name, relative_path(location, root), kind, sidecars=sidecars)
