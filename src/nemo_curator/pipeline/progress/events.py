"""The events of a run: plain values, made where something happens, a batch of images apart at least.

In the order of a run:

    Begun  Trying?  Planned  Noted?  (Read | Scored | ImageGivenUp | events of processes)*  Deciding?  Protecting*
    (Searching Searched*)*  Decided  Exporting Written*  Finished | Failed

`score` ends before `Deciding`; `decide` and `export` begin where their work does. A fetch is

    Begun  Fetching Answered* Fetched  Finished | Failed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nemo_curator.backends.local.events import ClusterSilent, ModelsDied, ProcessEvent, Pulse, StagesTook, WorkerDied

__all__ = [
    "Answered",
    "Begun",
    "ClusterSilent",
    "Decided",
    "Deciding",
    "Event",
    "Exporting",
    "Failed",
    "Fetched",
    "Fetching",
    "Finished",
    "ImageGivenUp",
    "ModelsDied",
    "Noted",
    "Planned",
    "Protecting",
    "Pulse",
    "Read",
    "Scored",
    "Searched",
    "Searching",
    "StagesTook",
    "Trying",
    "WorkerDied",
    "Written",
]


@dataclass(frozen=True, slots=True)
class Begun:
    """A command begins.

    Attributes:
        command: Its name.
        version: The version of imagecurator.
        places: What it reads and writes, by name: `inputs`, `run`, `output`.
    """

    command: str
    version: str
    places: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trying:
    """Models are tried in lower precisions on a sample of the input, which can take minutes.

    Attributes:
        models: Their names.
    """

    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """Scoring begins.

    Attributes:
        partitions: All partitions.
        size: Bytes of those that are read now.
        done: Partitions that are there from an earlier start.
        stages: Names of the stages, in their order.
        columns: Names of the columns that they give.
        workers: Worker processes; 0 for none, and None where there is nothing to do.
        inference_threads: Threads of the process that runs large models; 0 where there is none.
        memory: Bytes that all processes take together at most, by the plan.
        files: Loose files that are read now, each a record; 0 where shards are read too, whose records nobody counted.
    """

    partitions: int
    size: int
    done: int
    stages: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    workers: int | None = None
    inference_threads: int = 0
    memory: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class Noted:
    """What a user should know about the input and the stored scores.

    Attributes:
        notes: A sentence each.
    """

    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """So many more records have been read.

    Attributes:
        records: Their number.
    """

    records: int


@dataclass(frozen=True, slots=True)
class Scored:
    """A partition is done.

    Attributes:
        size: Bytes of its files.
        verdicts: Verdict to records, by the rules that need no other partition.
        rules: Rule to the records that it rejects, the first one counting.
        errors: Error code to the records that cannot be used.
        partition: Its id.
        seconds: Stage to what its calls took, as far as the last worker made them.
    """

    size: int
    verdicts: Mapping[str, int]
    rules: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    partition: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImageGivenUp:
    """An image cost two workers, and is quarantined.

    Attributes:
        image: Its id; "" for all images of the partition that were not through.
        why: Why, in words.
    """

    image: str
    why: str


@dataclass(frozen=True, slots=True)
class Deciding:
    """All partitions are done; verdicts are being computed."""


@dataclass(frozen=True, slots=True)
class Protecting:
    """The images of a protect set are about to be read and scored.

    Attributes:
        name: Its name.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Searching:
    """A search for pairs of near images begins.

    Attributes:
        kind: Of which kind.
        images: Among how many different ones.
    """

    kind: str
    images: int


@dataclass(frozen=True, slots=True)
class Searched:
    """So many more of them have been looked for.

    Attributes:
        images: Their number.
    """

    images: int


@dataclass(frozen=True, slots=True)
class Decided:
    """Verdicts are there.

    Attributes:
        funnel: How the inputs ended, as plain data.
        warnings: What is odd about the rules, a sentence each.
    """

    funnel: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exporting:
    """Export begins.

    Attributes:
        samples: Samples that will be written.
    """

    samples: int


@dataclass(frozen=True, slots=True)
class Written:
    """So many more samples have been written.

    Attributes:
        samples: Their number.
    """

    samples: int


@dataclass(frozen=True, slots=True)
class Fetching:
    """The URLs of a list are about to be asked for.

    Attributes:
        rows: Rows of the list.
        done: Those that are answered from an earlier start.
    """

    rows: int
    done: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """So many more rows of a list have an answer.

    Attributes:
        rows: Their number.
        images: Images among them.
        size: Bytes of these.
    """

    rows: int
    images: int
    size: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """All rows of a list have an answer.

    Attributes:
        statuses: Status to rows, those from an earlier start among them.
    """

    statuses: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Finished:
    """The command has done what it was asked for."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The command ends before its end.

    Attributes:
        error: Name of the exception's class; `Interrupted` after Ctrl-C or a polite kill.
        exit_code: What the command leaves with.
        sentence: What the user is told.
    """

    error: str
    exit_code: int
    sentence: str


Event = (
    Begun
    | Trying
    | Planned
    | Noted
    | Read
    | Scored
    | ImageGivenUp
    | Deciding
    | Protecting
    | Searching
    | Searched
    | Decided
    | Exporting
    | Written
    | Fetching
    | Answered
    | Fetched
    | Finished
    | Failed
    | ProcessEvent
)
"""Anything that happens in a run."""
