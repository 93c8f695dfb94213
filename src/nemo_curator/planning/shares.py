"""How the cores of a host are shared out between decode workers and inference."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shares:
    """What a host runs.

    Attributes:
        workers: Decode workers.
        inference_threads: Threads of the inference process; 0 where there is none.
    """

    workers: int
    inference_threads: int


def share_out(cores: int, partitions: int, asked: int | None = None, *, shared: bool) -> Shares:
    """Decide how many processes and threads a host gets.

    Inference may use every core, and so may decoding: a worker that waits for its rows takes no core. So which of
    the two is the larger part of the work need not be known.

    Args:
        cores: CPU cores that the run may use.
        partitions: Partitions that there are to work on.
        asked: Workers that the user asked for; None leaves it to us.
        shared: Whether a stage wants a model of the inference process.
    """
    workers = min(cores if asked is None else asked, partitions)
    return Shares(workers, cores if shared and workers else 0)
