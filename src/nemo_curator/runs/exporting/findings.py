"""What a verification found."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST = 100
"""Problems that are told one by one at most."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a delivered data set is what its manifest says.

    Attributes:
        shards: Shards looked at.
        samples: Samples found in them.
        bytes: Bytes of the files that were hashed.
        problems: What is wrong with the data set, a sentence each; the first hundred.
        problem_count: How many there are.
        compared: Samples whose sources were read again and are what was scored.
        source_problems: What is gone or changed at the sources, which is no fault of the data set; the first hundred.
        source_problem_count: How many there are.
        rendered: Of `compared`, samples whose image was made anew; the others hold the bytes of their sources.
    """

    shards: int = 0
    samples: int = 0
    bytes: int = 0
    problems: tuple[str, ...] = ()
    problem_count: int = 0
    compared: int = 0
    source_problems: tuple[str, ...] = ()
    source_problem_count: int = 0
    rendered: int = 0

    @property
    def ok(self) -> bool:
        """Whether the data set is whole and unchanged."""
        return not self.problem_count


@dataclass(slots=True)
class Problems:
    """Sentences, of which the first are kept and all are counted.

    Attributes:
        told: The first.
        count: All.
    """

    told: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, sentence: str) -> None:
        """One more."""
        self.count += 1
        if len(self.told) < MOST:
            self.told.append(sentence)

    def extend(self, other: Problems) -> None:
        """Those of another place."""
        self.told += other.told[: MOST - len(self.told)]
        self.count += other.count
