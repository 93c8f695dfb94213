"""What a scoring took, and what it was spent on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Effort:
    """What one command has scored, and the time of its stages.

    Attributes:
        seconds: Stage to what its calls took, over all workers.
        inputs: Stage to the inputs of the partitions that it went over in that time.
        scored: Inputs that were scored; none where every score was there already.
        bytes: Bytes of the files that were read for that.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    inputs: dict[str, int] = field(default_factory=dict)
    scored: int = 0
    bytes: int = 0

    def add(self, seconds: Mapping[str, float], inputs: int, size: int) -> None:
        """A partition was scored.

        Args:
            seconds: Stage to what its calls took.
            inputs: Inputs of the partition.
            size: Bytes of its files.
        """
        for stage, taken in seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + taken
            self.inputs[stage] = self.inputs.get(stage, 0) + inputs
        self.scored += inputs
        self.bytes += size
