"""Images that stand on lists of hashes, left out of a pipeline made by hand.

A recipe does better with the score `hashes` and the section `known_bad`: lists change, and deciding again reads no
image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.hamming import FARTHEST, nearest_within
from nemo_curator.shards.hash_lists import HashList, read_hash_list
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.filters.hash_filter import md5_of, pdq_of
from nemo_curator.stages.image.statistics import STATISTICS_VIEW
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageBatch, ImageObject, Record


class _Match(NamedTuple):
    """Where an image is found: on which list, by which hash, and how many bits differ; None where it is equal."""

    name: str
    hash: str
    distance: int | None


@dataclass
class ImageKnownBadFilterStage(BaseFilterStage):
    """Leaves out images whose MD5, SHA-256 or PDQ hash is on a list; the record's rule is the name of the list.

    Args:
        lists: Files of hashes, as `read_hash_list` takes them: a mapping from name to file, or files alone, each then
            called by its base name. The first list that has an image counts.
        distance: Bits in which a PDQ hash may differ from a listed one, 0 to 31; 31 is what PDQ's authors recommend.
        min_quality: PDQ quality below which only exact hashes are compared, 0 to 100.

    Raises:
        InputError: A list cannot be read, or something in it is no hash.
        ValueError: There is no list, two have one name, or a number is out of its range.
    """

    _name: str = "known_bad"
    score_threshold: float = 1.0
    lists: Sequence[str] | Mapping[str, str] = ()
    distance: int = 31
    min_quality: int = 0

    columns: ClassVar[tuple[Column, ...]] = (
        Column("is_known_bad", "bool", meaning="Whether the image is on one of the lists"),
        Column("known_bad", "string", meaning="Name of the first list that has the image; NULL where none has"),
        Column("known_bad_hash", "string", meaning="The hash on that list, as in `md5:…`; NULL where none matches"),
        Column(
            "known_bad_distance",
            "int",
            "bits",
            range=(0, 31),
            meaning="Bits in which the PDQ hash differs from it; NULL where it is no PDQ hash",
        ),
    )
    cost: ClassVar[Cost] = Cost.STATISTICS

    def __post_init__(self) -> None:
        """Read the lists now, so that a mistake is told before a run begins."""
        super().__post_init__()
        if not 0 <= self.distance <= FARTHEST or not 0 <= self.min_quality <= 100:
            raise ValueError(f"distance is 0 to {FARTHEST} bits, and min_quality 0 to 100")
        names = [name for name, _ in self._files()]
        if not names or len(set(names)) < len(names):
            raise ValueError("give lists={'name': 'file'}, with a name of its own for each of at least one file")
        self._read = self._read_lists()

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what the lists hold: a worker reads the files itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_read"}

    def needs(self) -> Needs:
        """The bytes, and the statistics view where a list has PDQ hashes."""
        views = (STATISTICS_VIEW,) if any(len(one.pdq) for one in self._lists()) else ()
        return Needs(views=views, encoded=True)

    def provenance(self) -> dict[str, Any]:
        """The hashes that the lists hold: others give other answers."""
        return {**super().provenance(), "hashes": {one.name: one.digest for one in self._lists()}}

    def setup(self, _worker_metadata: WorkerMetadata | None = None) -> None:
        """Read the lists, where that is not done."""
        self._lists()

    def score(self, images: list[ImageObject]) -> dict[str, npt.NDArray[Any]]:
        """The columns."""
        found = self._matches(images)
        return {
            "is_known_bad": np.array([one is not None for one in found]),
            "known_bad": np.array([one and one.name for one in found], object),
            "known_bad_hash": np.array([one and one.hash for one in found], object),
            "known_bad_distance": np.array([one and one.distance for one in found], object),
        }

    def process(self, task: ImageBatch) -> ImageBatch:
        """Record the columns and leave out what is on a list."""
        scored = self.annotate(task)
        kept = [image for image in scored.data if not image.scores["is_known_bad"]]
        rejected = [self._record(image) for image in scored.data if image.scores["is_known_bad"]]
        self._report(rejected)
        return scored.filtered(kept, rejected)

    def _record(self, image: ImageObject) -> Record:
        name, known, distance = (image.scores[column.name] for column in self.columns[1:])
        near = isinstance(distance, int)
        return image.rejected(
            stage=self.name,
            rule=str(name),
            score=float(distance) if isinstance(distance, int) else None,
            threshold=float(self.distance) if near else None,
            detail=f"{distance} bits from {known} on the list {name}" if near else f"{known} is on the list {name}",
        )

    def _matches(self, images: list[ImageObject]) -> list[_Match | None]:
        """For every image the first list that has it; on that list, equal bytes before the nearest PDQ hash."""
        found: list[_Match | None] = [None] * len(images)
        for listed in self._lists():
            left = [at for at, match in enumerate(found) if match is None]
            for at in left:
                found[at] = _exact(images[at], listed)
            left = [at for at in left if found[at] is None]
            for at, match in zip(left, self._near([images[at] for at in left], listed), strict=True):
                found[at] = match
        return found

    def _near(self, images: list[ImageObject], listed: HashList) -> list[_Match | None]:
        if not len(listed.pdq) or not images:
            return [None] * len(images)
        hashes = [pdq_of(image) for image in images]
        asked = [one.quality >= self.min_quality and any(one.bits) for one in hashes]
        values = np.frombuffer(b"".join(one.bits for one in hashes), np.uint8).reshape(len(hashes), -1)
        rows, distances = nearest_within(values, listed.near, self.distance)
        return [
            _Match(listed.name, f"pdq:{listed.pdq[row].tobytes().hex()}", int(distance)) if ask and row >= 0 else None
            for ask, row, distance in zip(asked, rows, distances, strict=True)
        ]

    def _files(self) -> list[tuple[str, str]]:
        if isinstance(self.lists, Mapping):
            return [(str(name), str(file)) for name, file in self.lists.items()]
        files = [self.lists] if isinstance(self.lists, str) else self.lists
        return [(str(file).rstrip("/").rpartition("/")[2], str(file)) for file in files]

    def _read_lists(self) -> list[HashList]:
        return [read_hash_list(name, file) for name, file in self._files()]

    def _lists(self) -> list[HashList]:
        if "_read" not in self.__dict__:
            self._read = self._read_lists()
        return self._read


def _exact(image: ImageObject, listed: HashList) -> _Match | None:
    """The hash of an image's bytes that a list has."""
    if image.encoded is None:
        return None
    for kind, digits in (("sha256", _sha256), ("md5", md5_of)):
        value = digits(image) if len(getattr(listed, kind)) else None
        if value and listed.has(kind, bytes.fromhex(value)):
            return _Match(listed.name, f"{kind}:{value}", None)
    return None


def _sha256(image: ImageObject) -> str | None:
    return hashlib.sha256(image.encoded or b"").hexdigest()
