"""Names of samples in one output shard, which unpack side by side: nothing lands on anything else."""

from __future__ import annotations

from nemo_curator.kernels.source import Source
from nemo_curator.shards.naming import member_names, unique_key


class ShardNames:
    """The names taken in one shard so far."""

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._keys: set[str] = set()
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def of(self, source: Source, image_id: str, image_format: str) -> tuple[str, list[str]]:
        """Key and member names of the next sample.

        The key is the sample's own unless it is taken in the shard. A file may have the name of a folder that another
        sample lies in; such names change too.

        Args:
            source: Where the sample lies.
            image_id: Its id.
            image_format: Format of its primary image, or "".
        """
        kinds = [
            (member.extension, image_format if index == source.primary else "")
            for index, member in enumerate(source.members)
        ]
        while True:
            key = self._beside_files(unique_key(source, image_id, self._asked))
            names = member_names(key, kinds)
            if key not in self._keys and self._folders.isdisjoint(names):
                break
        self._keys.add(key)
        self._files.update(names)
        self._folders.update(_folders(key))
        return key, names

    def _beside_files(self, key: str) -> str:
        """`key` in folders that no file stands in the place of."""
        if "/" not in key or self._folders.issuperset(_folders(key)):
            return key
        *folders, base = key.split("/")
        path = ""
        for folder in folders:
            plain, number = f"{path}{folder}", 2
            found = plain
            while found in self._files:
                found, number = f"{plain}__{number}", number + 1
            path = f"{found}/"
        return path + base


def _folders(key: str) -> list[str]:
    """Every folder that a key lies in."""
    return [key[:at] for at, letter in enumerate(key) if letter == "/"]
