"""Folders that a command writes to: what in them is ours, what is somebody else's, and how places lie to each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from nemo_curator import storage
from nemo_curator.errors import InputError, OutputExistsError
from nemo_curator.redaction import holds_secret


def plain_place(place: str) -> str:
    """A path or URL without slashes at its end."""
    return place.rstrip("/") or place[:1]


def real_place(place: str) -> str:
    """The one spelling of a place: a local one without links and `..`, a URL as its kind of storage takes it."""
    if not storage.is_local(place):
        return storage.canonical_remote(place)
    return str(Path(re.sub("^(file|local)://", "", place)).resolve())


def refuse_secret(place: str) -> str:
    """The place, if it may be written into a run directory and a data set, which others will read.

    Raises:
        InputError: It is a URL with a password or a token in it.
    """
    if holds_secret(place):
        raise InputError(
            "this URL holds a password or a token, which would be written into the run directory",
            where=place,
            act="give it in the storage's own environment variables or configuration file (fsspec reads "
            "FSSPEC_<PROTOCOL>_PASSWORD and ~/.config/fsspec), and the URL without it",
        )
    return place


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that a run writes to, and the files in it, by their paths inside.

    Attributes:
        root: The folder.
        ours: Full places of what an earlier run of ours wrote.
        taken: Files of others under names that we write.
        foreign: Other files of others.
        temporary: Files under names that we write, which were never finished.
    """

    root: str
    ours: tuple[str, ...]
    taken: tuple[str, ...]
    foreign: tuple[str, ...]
    temporary: tuple[str, ...]

    def sweep(self) -> None:
        """Remove what was never finished."""
        for path in self.temporary:
            storage.remove(storage.join(self.root, path))

    def refuse_foreign(self, *, replace: bool) -> None:
        """Refuse files that are not ours: all of them, or with `replace` those that would be overwritten.

        Raises:
            OutputExistsError: There are some.
        """
        if self.taken and replace:
            raise OutputExistsError(
                f"this holds files that imagecurator did not put there and would overwrite, such as {self.taken[0]!r}",
                where=self.root,
                act="choose another place, or move them away",
            )
        if (self.taken or self.foreign) and not replace:
            raise OutputExistsError(
                f"this holds files that imagecurator did not put there, such as {(self.taken + self.foreign)[0]!r}",
                where=self.root,
                act="choose another place; `run`, `export` and `embed` write beside them with --replace where no name "
                "is taken",
            )


def sort_files(root: str, paths: Sequence[str], known: Collection[str], by_name: Callable[[str], bool]) -> Place:
    """Whose the files of a folder are.

    Args:
        root: The folder.
        paths: What is in it, as `files_under` gives it.
        known: Those of them that are ours.
        by_name: Whether a path is one that we write.
    """
    unfinished = {path for path in paths if storage.is_temporary(path) and by_name(final_name(path))}
    others = [path for path in paths if path not in known and path not in unfinished]
    return Place(
        root,
        ours=tuple(storage.join(root, path) for path in paths if path in known),
        taken=tuple(path for path in others if by_name(path)),
        foreign=tuple(path for path in others if not by_name(path)),
        temporary=tuple(sorted(unfinished)),
    )


def final_name(path: str) -> str:
    """The name that a file which was never finished would have had."""
    return path.rpartition(".tmp-")[0]


def refuse_file(place: str, what: str) -> None:
    """Refuse a place that is a file; `what` is what should be there, in a word.

    Raises:
        OutputExistsError: It is one.
    """
    if storage.exists(place) and not storage.is_directory(place):
        raise OutputExistsError(f"this is a file, and the {what} is a folder", where=place, act="choose another one")


def path_inside(inner: str, outer: str) -> str | None:
    """The path of one place inside another; "" where they are the same, None where it is elsewhere."""
    one, other = real_place(inner), real_place(outer)
    if one == other:
        return ""
    prefix = storage.join(other, "")
    return one.removeprefix(prefix) if one.startswith(prefix) else None


def files_under(place: str, *, recursive: bool = True) -> list[str]:
    """Everything under a folder, by its path inside it; what lies behind a link to a folder is not in it.

    Raises:
        StorageError: It cannot be listed.
    """
    prefix = storage.join(place, "")
    try:
        found = [stored.url.removeprefix(prefix) for stored in storage.list(place, recursive=recursive)]
    except FileNotFoundError as error:
        storage.refuse_missing_bucket(place, error)
        return []
    except OSError as error:
        raise storage.storage_error(place, error, verb="be listed") from None
    if not storage.is_local(place):
        return found
    real: dict[str, bool] = {"": True}
    return [path for path in found if _inside_really(storage.local_path(place), path.rpartition("/")[0], real)]


def _inside_really(place: str, folder: str, known: dict[str, bool]) -> bool:
    """Whether a folder below a place is reached without a link; answers are kept in `known`."""
    if folder not in known:
        above = folder.rpartition("/")[0]
        known[folder] = _inside_really(place, above, known) and not Path(place, folder).is_symlink()
    return known[folder]
