"""Every exception of this package.

    CuratorError                      one clear sentence, fields, an exit code
    ├── InputError                3   what was given to read
    │   ├── MissingInputError         there is nothing at that path
    │   ├── MissingRunError           there is no run directory at that path
    │   ├── IncompleteRunError        a run is not scored, or not decided, to its end
    │   ├── UnknownImageError         a run knows no image of that id
    │   ├── EmptyInputError           there is nothing to curate in it
    │   ├── DuplicateIdError          two inputs would get the same image_id
    │   └── UnreachableError          a storage elsewhere refuses, or does not answer
    ├── OutputError               4   where results go
    │   ├── OutputExistsError         the place holds something that is not ours
    │   ├── LockedError               another process is at work there
    │   ├── StaleScoresError          stored scores were computed in another way than is asked for now
    │   └── StorageError              disk full, no permission, a device that fails
    ├── RecipeError               5   a recipe or rule that does not say what it means
    │   └── IncompleteScoreError      a score needs to be told what only the user knows
    ├── ModelError                6   a model that is unknown, absent or not what it claims
    │   ├── UnknownModelError
    │   ├── WeightsNotFoundError      (also a FileNotFoundError)
    │   ├── WeightsError              a weight file of the wrong kind or shape
    │   │   └── NoTextTowerError          it embeds pictures, and no texts
    │   └── MissingExtraError         (also an ImportError) a package of an optional extra
    ├── MemoryBudgetError         2   (also a ValueError) a budget of memory that is too small for a run
    ├── StageError                7   a stage that breaks its contract, or fails on everything
    ├── ConservationError         8   inputs != kept + rejected + duplicates + quarantined
    ├── VerificationError         9   a delivered data set is not what its manifest says
    ├── LeakError                10   a data set shows images that must not leak into it
    └── SampleError               —   about one image; becomes its quarantine record, never ends a run
        ├── NotAnImageError
        ├── DecodeError
        ├── LimitError
        ├── EmbeddingError
        └── UnreadableError

The number is the exit code of the command line; 1 is an unexpected failure, 2 wrong usage, 130 Ctrl-C.
Every error survives pickling with its fields, because it may cross a process border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, ClassVar

from nemo_curator.redaction import redacted


class CuratorError(Exception):
    """Base of all errors raised on purpose; passwords and tokens in the URLs that it is told of are left out.

    Args:
        what: What happened, without a final full stop.
        where: The file, id or recipe line that it is about.
        cause: The likely cause.
        act: What to do next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", cause: str = "", act: str = "") -> None:
        self.what, self.where, self.cause, self.act = (redacted(one) for one in (what, where, cause, act))
        super().__init__(self.what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        cause = f" ({self.cause})" if self.cause else ""
        act = f"; {self.act}" if self.act else ""
        return redacted(f"{place}{self.what}{cause}{act}")  # again, because fields may be set later

    def __reduce__(self) -> tuple[Callable[..., CuratorError], tuple[type[CuratorError], dict[str, Any]]]:
        return _rebuild, (type(self), dict(self.__dict__))


def _rebuild(kind: type[CuratorError], fields: dict[str, Any]) -> CuratorError:
    error = kind.__new__(kind, fields.get("what", ""))
    error.__dict__.update(fields)
    error.args = (fields.get("what", ""),)
    return error


class InputError(CuratorError):
    """What was given to read is not usable."""

    exit_code = 3


class MissingInputError(InputError):
    """There is nothing at an input path."""


class MissingRunError(InputError):
    """There is no run directory at a path."""


class IncompleteRunError(InputError):
    """A run is not scored, or not decided, to its end."""


class UnknownImageError(InputError):
    """A run knows no image of that id."""


class EmptyInputError(InputError):
    """An input holds no image, no tar and nothing else to account for."""


class DuplicateIdError(InputError):
    """Two inputs would get the same `image_id`."""


class UnreachableError(InputError):
    """A storage elsewhere refuses to be read, or does not answer: nothing is known of the file that was asked for."""


class OutputError(CuratorError):
    """Results cannot be written where they were asked for."""

    exit_code = 4


class OutputExistsError(OutputError):
    """The output place holds something that this program did not put there, or an earlier result."""


class LockedError(OutputError):
    """Another process is at work in the same place."""


class StaleScoresError(OutputError):
    """The stored scores were computed in another way than is asked for now."""


class StorageError(OutputError):
    """The storage refused: disk full, no permission, a failing device."""


class RecipeError(CuratorError):
    """A recipe or rule cannot be understood."""

    exit_code = 5


class IncompleteScoreError(RecipeError):
    """A score needs to be told what only the user knows; `scores: all` leaves it out."""


class ModelError(CuratorError):
    """A model cannot be used."""

    exit_code = 6


class UnknownModelError(ModelError):
    """No model is registered under a name."""


class WeightsNotFoundError(ModelError, FileNotFoundError):
    """A weight file is not where it is expected."""


class WeightsError(ModelError):
    """A weight file is damaged, of another model, or holds more than plain tensors."""


class NoTextTowerError(WeightsError):
    """The files of a model hold no text tower, or none whose tokens are known; pictures are embedded all the same."""


class MissingExtraError(ModelError, ImportError):
    """A package that belongs to an optional extra is not installed."""


class MemoryBudgetError(CuratorError, ValueError):
    """A budget of memory is too small for a run: a use of the command that cannot work."""

    exit_code = 2


class StageError(CuratorError):
    """A stage broke its contract, or failed on everything that it was given."""

    exit_code = 7


class ConservationError(CuratorError):
    """The verdicts do not add up to the inputs: a fault of this program, reported instead of hidden."""

    exit_code = 8


class VerificationError(CuratorError):
    """A delivered data set is not, or not any more, what its manifest says."""

    exit_code = 9


class LeakError(CuratorError):
    """A data set shows images of a protect set, and still does."""

    exit_code = 10


class SampleError(CuratorError):
    """One sample cannot be used; it becomes a quarantine record with `code` and the message as detail."""

    code: ClassVar[str] = "sample_error"


class NotAnImageError(SampleError):
    """The bytes are of no image format that is recognised."""

    code = "not_an_image"


class DecodeError(SampleError):
    """The bytes are of a known format but do not decode."""

    code = "decode_failed"


class LimitError(SampleError):
    """The image exceeds a limit of the recipe; nothing was allocated for it."""

    code = "over_limit"


class EmbeddingError(SampleError):
    """A model gave an embedding that is no vector of numbers."""

    code = "nan_score"


class UnreadableError(SampleError):
    """The bytes could not be read from storage."""

    code = "unreadable"


def nearest(name: str, known: Iterable[str]) -> str:
    """The clause that suggests the closest known name, or lists the known ones if none is close."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none is known"
