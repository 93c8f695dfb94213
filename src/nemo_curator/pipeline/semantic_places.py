"""Where the semantic deduplication writes, and what it may remove there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nemo_curator import storage
from nemo_curator.errors import InputError, OutputExistsError
from nemo_curator.pipeline.places import final_name, path_inside, real_place

_OURS = {
    "clusters": re.compile(r"centroid=\d+/part\.parquet|_centroids\.npy|_without_direction\.parquet"),
    "pairs": re.compile(r"cluster-\d+\.parquet|without-direction\.parquet"),
    "duplicates": re.compile(r"duplicates\.parquet"),
}


@dataclass(frozen=True, slots=True)
class Places:
    """The folders of one workflow.

    Attributes:
        output: Folder or URL of the results.
        cache: Folder or URL of the clusters.
    """

    output: str
    cache: str

    @property
    def clusters(self) -> str:
        """Where clusters are written."""
        return storage.join(self.cache, "kmeans_results")

    @property
    def pairs(self) -> str:
        """Where pairs are written."""
        return storage.join(self.output, "pairwise_results")

    @property
    def duplicates(self) -> str:
        """The folder of the ids to remove."""
        return storage.join(self.output, "duplicates")

    @property
    def duplicates_file(self) -> str:
        """The one file in it."""
        return storage.join(self.duplicates, "duplicates.parquet")

    def roots(self) -> list[str]:
        """The folders that are given, each place once however it is spelled."""
        return list({real_place(root): root for root in (self.cache, self.output)}.values())

    def refuse_as_input(self, files: Sequence[str]) -> None:
        """Results are no input: they would be removed before they are read.

        Raises:
            InputError: One of the files lies in a folder of results.
        """
        for folder in (self.clusters, self.pairs, self.duplicates):
            for url in files:
                if path_inside(url, folder):
                    raise InputError(
                        "this is a result of the workflow, which it would write over",
                        where=url,
                        cause="the output lies inside the input",
                        act="give an output_path and cache_path outside of input_path",
                    )

    def prepare(self, *, clear: bool) -> None:
        """Remove what an earlier run wrote.

        Args:
            clear: Whether that is wanted.

        Raises:
            OutputExistsError: There is something that is not ours, or something at all and it must stay.
            StorageError: A file cannot be removed.
        """
        doomed: list[tuple[str, str]] = []
        for kind, known in _OURS.items():
            folder = str(getattr(self, kind))
            if not storage.exists(folder):
                continue
            for stored in storage.list(folder):
                if not _is_ours(stored, folder, known):
                    raise OutputExistsError(
                        "the folder of results holds a file that this workflow does not write",
                        where=stored.url,
                        act="move it away, or choose another output_path",
                    )
                doomed.append((stored.url, folder))
        if doomed and not clear:
            raise OutputExistsError(
                "results of an earlier run are there",
                where=doomed[0][1],
                act="set clear_output=True to replace them, or choose another output_path",
            )
        for url, _ in doomed:
            storage.remove(url)
        for root in dict.fromkeys([self.output, self.cache]):  # in both spellings, where they are one place
            storage.prune([url for url, _ in doomed], root)  # it heeds those below the root alone


def _is_ours(stored: storage.Stored, folder: str, known: re.Pattern[str]) -> bool:
    """Whether something in a folder of results is a file of ours; what lies behind a link is somebody else's."""
    if stored.kind != "file":
        return False
    name = path_inside(stored.url, folder) or ""
    return known.fullmatch(final_name(name) if storage.is_temporary(name) else name) is not None
