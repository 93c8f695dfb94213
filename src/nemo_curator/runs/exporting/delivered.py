"""What an export delivers: files, counts, and what could not be had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from nemo_curator.runs.exporting.settings import Format


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """One file of a delivered data set, or one folder of files.

    Attributes:
        name: Its path in the data set; of a folder with a slash at the end.
        sha256: Hex digest of its bytes; of a folder see `folder_sha256`.
        bytes: Its length; of a folder the bytes of all its files.
        samples: Samples in it.
    """

    name: str
    sha256: str
    bytes: int
    samples: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A kept sample that was left out because its bytes could not be had, or its image could not be made anew.

    Attributes:
        image_id: Its id.
        reason: Why, in a sentence.
    """

    image_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeliveredShard:
    """One shard.

    Attributes:
        split: The split it belongs to, or "".
        samples: Samples in it.
        bytes: Bytes of its tar, its folder, or its Parquet with images.
        files: Its files; none where all its samples are missing.
        missing: Samples of the plan that are not in it, because their bytes could not be had.
        failed: Samples of the plan that are not in it, because their images could not be made anew.
        rendered: Samples in it whose images were made anew.
    """

    split: str
    samples: int
    bytes: int
    files: tuple[DeliveredFile, ...]
    missing: tuple[Missing, ...] = ()
    failed: tuple[Missing, ...] = ()
    rendered: int = 0


@dataclass(slots=True)
class Exported:
    """What an export delivered.

    Attributes:
        format: How it is written.
        plan: Fingerprint of the plan.
        files: Every file, or folder, in order.
        samples: Samples delivered.
        bytes: Bytes of the tars, of the folders, or of the Parquet files with images.
        splits: Split to number of samples; empty without splits.
        missing: Kept samples that are not there because their bytes could not be had, with the reason.
        failed: Kept samples that are not there because their images could not be made anew, with the reason.
        rendered: Samples whose images were made anew, as far as this export knows.
        written: Shards that were written; the others were there already.
        removed: Samples that were taken out since.
        indexes: The files by which readers find the shards, where the format has such.
    """

    format: Format = "webdataset"
    plan: str = ""
    files: list[DeliveredFile] = field(default_factory=list)
    samples: int = 0
    bytes: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    failed: list[Missing] = field(default_factory=list)
    rendered: int = 0
    written: int = 0
    removed: int = 0
    indexes: list[DeliveredFile] = field(default_factory=list)

    def add(self, shards: Iterable[DeliveredShard]) -> None:
        """Count shards in."""
        splits: Counter[str] = Counter(self.splits)
        for shard in shards:
            self.files += shard.files
            self.samples += shard.samples
            self.bytes += shard.bytes
            self.missing += shard.missing
            self.failed += shard.failed
            self.rendered += shard.rendered
            if shard.split:
                splits[shard.split] += shard.samples
        self.splits = dict(splits)
