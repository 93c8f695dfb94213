"""What does the frame itself cost: importing, starting, a partition, an image, with stages that do nothing?

*start-up*: `imagecurator run` on one image without scores, whole process, and how much of that is Python and imports.
*null*: a pipeline of a reader that makes images out of nothing, five stages that give back what they get, and a stage
that counts, on the local executor with one worker; the cost an image and a partition is the slope between runs of
different size, so that starting is not in it.

Run: `python benchmarks/overheads.py [--rounds 5]`
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.cores import usable_cores
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.tasks import FileGroupTask, ImageBatch, ImageObject
from nemo_curator.testing import encoded, photo
from support.machine import publish

BATCH = 100
STAGES = 5


@dataclass
class MakeStage(ProcessingStage[FileGroupTask, ImageBatch]):
    """Makes batches of images without pixels."""

    images: int
    _name: str = "make"

    def inputs(self) -> tuple[list[str], list[str]]:
        """Anything."""
        return [], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """Images."""
        return ["data"], ["image_id"]

    def stream(self, task: FileGroupTask) -> Iterator[ImageBatch]:
        """The batches of a partition."""
        for start in range(0, self.images, BATCH):
            count = min(BATCH, self.images - start)
            images = [ImageObject(image_id=f"{task.task_id}/{start + at}") for at in range(count)]
            yield ImageBatch(dataset_name="null", task_id=task.task_id, data=images)

    def process(self, task: FileGroupTask) -> list[ImageBatch]:
        """All of them."""
        return list(self.stream(task))


@dataclass
class NullStage(ProcessingStage[ImageBatch, ImageBatch]):
    """Gives back what it gets."""

    number: int = 0

    @property
    def name(self) -> str:
        """Each has its own."""
        return f"null-{self.number}"

    def process(self, task: ImageBatch) -> ImageBatch:
        """The same."""
        return task


class CountStage(ProcessingStage[ImageBatch, FileGroupTask]):
    """Lets the images go, and says how many there were."""

    _name = "count"

    def process(self, task: ImageBatch) -> FileGroupTask:
        """Their number."""
        return FileGroupTask(data=[str(len(task.data))])


def null_run(partitions: int, images: int) -> float:
    """Seconds of a run with one worker and so many partitions, and so many images in each."""
    stages = [MakeStage(images), *(NullStage(number) for number in range(STAGES)), CountStage()]
    tasks = [FileGroupTask(task_id=f"p{at}", data=[f"nothing-{at}"]) for at in range(partitions)]
    start = time.perf_counter()
    done = LocalExecutor({"num_workers": 1}).execute(stages, tasks)
    seconds = time.perf_counter() - start
    assert sum(int(task.data[0]) for task in done) == partitions * images
    return seconds


def slope(run: Callable[[int], float], few: int, many: int) -> float:
    """Seconds of one more."""
    return (run(many) - run(few)) / (many - few)


def process(*arguments: str) -> float:
    """Seconds of a whole process of this Python."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """All, in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    taken: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        taken.setdefault(name, []).append(value)

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in")
        source.mkdir()
        (source / "a.jpg").write_bytes(encoded(photo(1, 500, 375)))
        for at in range(rounds):
            run = ["-m", "nemo_curator.cli", "run", str(source), str(Path(folder, f"out{at}")), "--json"]
            note("python alone, s", process("-c", "pass"))
            note("import nemo_curator, s", process("-c", "import nemo_curator"))
            note("run of one image without scores, s", process(*run, "--scores", "header"))
            note("an image through five null stages, ms", 1000 * slope(lambda n: null_run(1, n), 10_000, 200_000))
            note("a partition, ms", 1000 * slope(lambda n: null_run(n, 1), 20, 400))
    figures: dict[str, Any] = {name: round(median(values), 4) for name, values in taken.items()}
    publish("overheads", {"cores": usable_cores(), "rounds": rounds, "medians": figures})


if __name__ == "__main__":
    main()
