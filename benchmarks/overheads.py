"""What does the frame itself cost: importing, starting, a partition, an image, with stages that do nothing?

*start-up*: `imagecurator run` on one image without scores and with the default ones, whole process; how long it takes
from there to the first image that has all its scores; and how much of that is Python and imports. Bytecode is there, as
it is after an installation, and all files are in the system's cache. The processor time of the whole process and all
that it started tells more than the clock does where other programs run.
*null*: a pipeline of a reader that makes images out of nothing, five stages that give back what they get, and a stage
that counts, on the local executor with one worker; the cost an image and a partition is the slope between runs of
different size, so that starting is not in it.

Run: `python benchmarks/overheads.py [--rounds 5] [--start-only]`
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
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
from nemo_curator.planning.recipe import Recipe
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.tasks import FileGroupTask, ImageBatch, ImageObject
from nemo_curator.testing import encoded, photo
from support.first_score import PLACE
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


def environment(folder: Path) -> dict[str, str]:
    """That of the processes to measure: they keep their bytecode, wherever this one keeps its own."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    paths = [str(Path(__file__).parent), *(path for path in sys.path if path)]
    return {
        **kept,
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "PYTHONPATH": os.pathsep.join(paths),
        PLACE: str(folder / "first"),
    }


def spent() -> float:
    """Seconds of processor time of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass
class Processes:
    """Starts processes of this Python, and notes what they took.

    Attributes:
        folder: For what they write.
        taken: Name of the figure to its values.
    """

    folder: Path
    taken: dict[str, list[float]]

    def note(self, name: str, value: float) -> None:
        """One more value."""
        self.taken.setdefault(name, []).append(value)

    def run(self, name: str, *arguments: str) -> None:
        """A whole process."""
        before, start = spent(), time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment(self.folder))
        self.note(f"{name}, s", time.perf_counter() - start)
        self.note(f"{name}: processor time, s", spent() - before)

    def curate(self, name: str, source: Path, scores: str) -> None:
        """`imagecurator run` into a new place, and the time to the first image that has all its scores."""
        first, output = self.folder / "first", self.folder / "out"
        start = time.monotonic()
        command = ["-m", "nemo_curator.cli", "run", str(source), str(output), "--json", "--scores"]
        self.run(name, *command, f"{scores},support.first_score:FirstScoreStage")
        self.note(f"{name}: its first scored image, s", float(first.read_text()) - start)
        first.unlink()
        shutil.rmtree(output)


def main() -> None:
    """All, in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--start-only", action="store_true", help="leave the null stages out")
    arguments = parser.parse_args()
    default = ",".join(str(one) for one in Recipe().scores)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in")
        source.mkdir()
        (source / "a.jpg").write_bytes(encoded(photo(1, 500, 375)))
        warm, measured = Processes(Path(folder), {}), Processes(Path(folder), {})
        for processes in (warm, *[measured] * arguments.rounds):
            processes.run("python alone", "-c", "pass")
            processes.run("import nemo_curator", "-c", "import nemo_curator")
            processes.curate("run of one image without scores", source, "header")
            processes.curate("run of one image with the default scores", source, default)
            if not arguments.start_only:
                each = slope(lambda images: null_run(1, images), 10_000, 200_000)
                processes.note("an image through five null stages, ms", 1000 * each)
                processes.note("a partition, ms", 1000 * slope(lambda count: null_run(count, 1), 20, 400))
    taken = measured.taken
    medians: dict[str, Any] = {name: round(median(values), 4) for name, values in taken.items()}
    least: dict[str, Any] = {name: round(min(values), 4) for name, values in taken.items()}
    publish("overheads", {"cores": usable_cores(), "rounds": arguments.rounds, "medians": medians, "least": least})


if __name__ == "__main__":
    main()
