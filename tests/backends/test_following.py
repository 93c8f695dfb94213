"""A worker is told what will be read after its own partition."""

from __future__ import annotations

from dataclasses import dataclass

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.tasks import FileGroupTask


@dataclass
class Hears(ProcessingStage[FileGroupTask, FileGroupTask]):
    """Gives what its worker was told, instead of asking for it."""

    name: str = "hears"

    def setup(self, _worker_metadata=None):
        """Listen."""
        self._ahead = _worker_metadata.ahead if _worker_metadata else None

    def process(self, task):
        """The files that are expected, and the bytes of them that may be on their way."""
        if self._ahead is None:
            return FileGroupTask(data=["nobody"])
        return FileGroupTask(data=[*self._ahead._following, str(self._ahead._most)])


def test_the_next_partition_is_told_with_the_one_before_it():
    """Of the partition that is next in the queue its first files are told, 64 at most; the last has none after it."""
    tasks = [FileGroupTask(data=["a"]), FileGroupTask(data=["b", "c"]), FileGroupTask(data=[str(n) for n in range(70)])]
    told = [task.data for task in LocalExecutor({"num_workers": 1}).execute([Hears()], tasks)]
    assert [one[:-1] for one in told] == [["b", "c"], [str(n) for n in range(64)], []]
    assert all(0 < int(one[-1]) <= 1 << 28 for one in told)


def test_less_memory_means_less_read_ahead():
    """What all workers together ask for is a sixteenth of the budget at most."""
    executor = LocalExecutor({"num_workers": 2, "memory": "5GB"})
    told = [task.data for task in executor.execute([Hears()], [FileGroupTask(data=[name]) for name in "ab"])]
    assert all(int(one[-1]) == 5_000_000_000 // 32 for one in told)


def test_without_workers_nothing_is_read_ahead():
    """In one process, whatever is read is read when it is asked for."""
    told = LocalExecutor({"num_workers": 0}).execute([Hears()], [FileGroupTask(data=["a"])])
    assert [task.data for task in told] == [["nobody"]]
