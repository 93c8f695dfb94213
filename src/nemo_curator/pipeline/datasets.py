"""A data set as it is named: a pattern, one that we delivered, or any input; to the inputs that are read."""

from __future__ import annotations

import glob
from dataclasses import dataclass

from nemo_curator import storage
from nemo_curator.errors import InputError, MissingInputError
from nemo_curator.pipeline.set_names import is_pattern
from nemo_curator.runs.exporting import delivered, shard_stem
from nemo_curator.shards.listing import Listing, list_inputs

_ENDS = {"webdataset": ".tar", "parquet": ".parquet"}  # of the names of shards


@dataclass(frozen=True, slots=True)
class DataSet:
    """What is read of a data set.

    Attributes:
        inputs: The inputs, as `list_inputs` takes them.
        listing: What they hold.
        format: How it is written, as `export.format` says it.
    """

    inputs: tuple[str, ...]
    listing: Listing
    format: str

    @property
    def roots(self) -> list[str]:
        """The places that it lies in."""
        return sorted({entry.root or entry.location for entry in self.listing.entries})


def open_data_set(place: str) -> DataSet:
    """Find out what is to be read; no image is.

    Of a data set of ours the shards alone are, not what lies beside them.

    Args:
        place: A tar, a Parquet of images, a folder, an image, a data set that `run` or `export` wrote, or a pattern of
            local paths.

    Raises:
        InputError: There is nothing, or nothing that can be read.
    """
    if is_pattern(place):
        if not storage.is_local(place):
            raise InputError("a pattern names local files alone", where=place, act="name the folder")
        found = sorted(glob.glob(place))  # noqa: PTH207 (paths are plain strings here)
        if not found:
            raise MissingInputError("nothing matches this pattern", where=place, act="check the path")
        return _opened(tuple(found))
    manifest = delivered(place)
    if manifest is None:
        return _opened((place,))
    form = str(manifest.get("format"))
    if form == "mds":
        raise InputError(
            "a data set of MDS shards is written for training, and not read again",
            where=place,
            act="export the run in another format, and give that one",
        )
    end = _ENDS.get(form, "/")
    names = [str(one["name"]) for one in manifest["files"] if str(one["name"]).endswith(end)]
    if not names or any(shard_stem(name) is None for name in names):
        raise InputError("this data set holds no sample", where=place, act="leave it out")
    return DataSet(inputs := tuple(_shard(place, name) for name in names), list_inputs(inputs), form)


def _shard(place: str, name: str) -> str:
    """A shard as an input whose ids begin with its split, where there are splits, and its number."""
    split, slash, number = name.rstrip("/").rpartition("/")
    path = storage.join(place, name.rstrip("/"))
    if name.endswith("/"):
        return f"{split}{'-' if slash else ''}{number}={path}"
    return f"{split}={path}" if slash else path


def _opened(inputs: tuple[str, ...]) -> DataSet:
    listing = list_inputs(inputs)
    kinds = {entry.kind for entry in listing.entries}
    form = "webdataset" if "tar" in kinds else "parquet" if "parquet" in kinds else "folder"
    return DataSet(inputs, listing, form)
