"""Whether what a command reads and does not hold stayed as it was: a dry run holds nothing, nobody an earlier run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from nemo_curator import storage
from nemo_curator.errors import CuratorError, LockedError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.pair_file import PairFile, open_pairs

_Files = Mapping[str, tuple[int, str]]


class Reading:
    """What is read of runs, and how it was when that began."""

    def __init__(self) -> None:
        self._seen: list[tuple[RunDirectory, bool, _Files]] = []
        self._pairs: list[PairFile] = []

    def watch(self, run: RunDirectory, *, verdicts: bool = False) -> None:
        """Remember how the scores of a run are now.

        Args:
            run: The run.
            verdicts: Whether its decisions count too.
        """
        self._seen.append((run, verdicts, _files(run, verdicts=verdicts)))

    def watch_pairs(self, files: Iterable[PairFile]) -> None:
        """Remember files of pairs as they were opened."""
        self._pairs += files

    def check(self) -> None:
        """Make sure that all of it is as it was.

        Raises:
            LockedError: It is not, so that what was read is of two moments.
        """
        changed = next((run.root for run, verdicts, files in self._seen if _files(run, verdicts=verdicts) != files), "")
        changed = changed or next((file.url for file in self._pairs if not _is_as_good(file)), "")
        if changed:
            raise LockedError(
                "this was changed while it was read",
                where=changed,
                cause="another imagecurator scores or decides there",
                act="give the command again when that one has ended",
            )


@contextmanager
def reading() -> Iterator[Reading]:
    """What is read inside the block; an error that only says that something changed meanwhile becomes that.

    Raises:
        LockedError: Something that was read failed, and was changed meanwhile.
    """
    found = Reading()
    try:
        yield found
    except LockedError:
        raise
    except CuratorError as error:
        try:
            found.check()
        except LockedError as changed:
            raise changed from error
        raise


def _files(run: RunDirectory, *, verdicts: bool) -> _Files:
    """Size and version of every file that holds scores; files that are being written are not there yet."""
    found: dict[str, tuple[int, str]] = {}
    for place in (run.partitions, *run.folders, *([run.decisions] if verdicts else [])):
        try:
            stored = storage.list(place, recursive=False)
        except OSError:  # it is not there
            continue
        found |= {one.url: (one.size, one.version) for one in stored if not storage.is_temporary(one.url)}
    return found


def _is_as_good(file: PairFile) -> bool:
    """Whether a file of pairs still says the same up to its radius: an exact search finds the same in a larger one."""
    now = open_pairs(file.url)
    if now is None:
        return False
    wider = now.facts.exact and file.facts.exact and now.facts.radius >= file.facts.radius
    return now.facts == file.facts or (now.facts.inputs == file.facts.inputs and wider)
