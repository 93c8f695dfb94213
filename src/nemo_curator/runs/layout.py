"""Where things lie in a run directory."""

from __future__ import annotations

from dataclasses import dataclass

from nemo_curator import storage


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Names inside one run directory.

    Attributes:
        root: The directory, a path or URL.
    """

    root: str

    @property
    def run_json(self) -> str:
        """Recipe, versions, inputs and times: what may differ between two runs of the same work."""
        return storage.join(self.root, "run.json")

    @property
    def partitions(self) -> str:
        """The frozen list of partitions."""
        return storage.join(self.root, "partitions.parquet")

    @property
    def decisions(self) -> str:
        """One verdict an input, in source order."""
        return storage.join(self.root, "decisions.parquet")

    @property
    def report(self) -> str:
        """The page for people."""
        return storage.join(self.root, "report.html")

    @property
    def profile(self) -> str:
        """Where the time of the last run went, as a flame graph."""
        return storage.join(self.root, "profile.svg")

    @property
    def leaks(self) -> str:
        """Which images show which protected ones, where a decision looked at protect sets."""
        return storage.join(self.root, "leaks.parquet")

    def protect(self, name: str) -> RunDirectory:
        """The run directory, inside this one, in which a protect set is scored."""
        return RunDirectory(storage.join(self.root, "protect", name))

    @property
    def pairs_folder(self) -> str:
        """Where candidate pairs of duplicates lie, one file a kind."""
        return storage.join(self.root, "pairs")

    def index(self, kind: str) -> str:
        """Where what a search has sorted lies, so that a later one against this run need not do it again."""
        return storage.join(self.root, "index", kind)

    @property
    def condemned_folder(self) -> str:
        """Where the notes of images lie that were given up."""
        return storage.join(self.root, "condemned")

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that hold one file a partition."""
        names = ("parts", "embeddings", "embeddings_npy")
        return *(storage.join(self.root, name) for name in names), self.condemned_folder

    def part(self, partition_id: str) -> str:
        """One row an input of a partition; its presence says that the partition is done."""
        return storage.join(self.root, "parts", f"{partition_id}.parquet")

    def condemned(self, partition_id: str) -> str:
        """Images of a partition that were given up, until its part is written."""
        return storage.join(self.condemned_folder, f"{partition_id}.json")

    def embeddings(self, partition_id: str) -> str:
        """Embeddings of a partition's readable images, in the order of its part."""
        return storage.join(self.root, "embeddings", f"{partition_id}.parquet")

    def embedding_matrix(self, partition_id: str) -> str:
        """The same as one `(N, D)` float16 array to map; apart, so that the other folder reads as one table."""
        return storage.join(self.root, "embeddings_npy", f"{partition_id}.npy")
