"""What does one inference process a host cost and save, against workers that each load their own model?

Reading, decoding and embedding photos with two workers, in turns: *one* model in a process beside the workers, *own*:
one in each worker. Images a second are from the difference of two runs of different length, so that loading does not
count; processor time an image likewise, which says more on a machine that others use too. Memory is the proportional
sum over all processes at its peak. Towers are of the true shape with random numbers. The embeddings must be the same.

Run: `python benchmarks/inference_process.py [--model clip-vit-large-patch14] [--precision bf16] [--rounds 3]`
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.models.request import ModelRequest
from nemo_curator.planning.reading import plan_reading
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.embedders.model_embedder import ImageModelEmbeddingStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.tasks import FileGroupTask, ImageBatch
from support.machine import publish
from support.memory import peak_memory
from support.photos import photo_shards
from support.random_tower import write_random_tower

WORKERS = 2
SHORT = 20  # images a worker of the run that is subtracted


@dataclass
class OwnModel(ImageModelEmbeddingStage):
    """The embedder as if its model were a small one."""

    def shared_models(self) -> tuple[ModelRequest, ...]:
        """None."""
        return ()


@dataclass
class Some(ProcessingStage[ImageBatch, ImageBatch]):
    """Lets the first images of a partition through."""

    most: int = 0
    name: str = "some"

    def process(self, task: ImageBatch) -> ImageBatch:
        """The first."""
        return task.filtered(task.data[: self.most])


class Digests(ProcessingStage[ImageBatch, FileGroupTask]):
    """Gives a digest of the embeddings, and their number."""

    name = "digests"

    def process(self, task: ImageBatch) -> FileGroupTask:
        """One task a batch."""
        rows = b"".join(image.embedding.tobytes() for image in task.data if image.embedding is not None)
        return FileGroupTask(data=[hashlib.sha256(rows).hexdigest(), str(len(task.data))])


def alone(arguments: argparse.Namespace) -> None:
    """One run in this process and its children; prints seconds, processor seconds, images and a digest."""
    kind = OwnModel if arguments.alone == "own" else ImageModelEmbeddingStage
    embed = kind(model=arguments.model, model_dir=arguments.models, precision=arguments.precision or None)
    reader = ImageReaderStage(views=plan_reading([embed, Digests()]).views, pixels=False, verbose=False)
    stages = [reader, Some(most=arguments.images // WORKERS), embed, Digests()]
    shards = sorted(Path(arguments.photos).glob("*.tar"))[:WORKERS]
    start = time.perf_counter()
    executor = LocalExecutor({"num_workers": WORKERS})
    done = executor.execute(stages, [FileGroupTask(data=[str(shard)]) for shard in shards])
    seconds = time.perf_counter() - start
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    digest = hashlib.sha256(json.dumps([task.data for task in done]).encode()).hexdigest()
    count = sum(int(task.data[1]) for task in done)
    print(json.dumps([seconds, children.ru_utime + children.ru_stime, count, digest]))


def command(way: str, arguments: argparse.Namespace, images: int) -> list[str]:
    """The command line of one run."""
    given = {"alone": way, "images": images, "model": arguments.model, "precision": arguments.precision}
    given |= {"models": arguments.models, "photos": arguments.photos}
    return [sys.executable, __file__, *(part for name, value in given.items() for part in (f"--{name}", str(value)))]


def taken(way: str, arguments: argparse.Namespace) -> tuple[float, float, str]:
    """(Seconds an image, processor seconds an image, digest of a run)."""
    facts = []
    for images in (arguments.images, WORKERS * SHORT):
        done = subprocess.run(command(way, arguments, images), check=True, capture_output=True, text=True)
        facts.append(json.loads(done.stdout.splitlines()[-1]))
    (longer, more, many, digest), (shorter, fewer, few, _) = facts
    return (longer - shorter) / (many - few), (more - fewer) / (many - few), digest


def main() -> None:
    """Measure in turns, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="clip-vit-base-patch32")
    parser.add_argument("--precision", default="")
    parser.add_argument("--images", type=int, default=200, help="at most 250")
    parser.add_argument("--rounds", type=int, default=3)
    for name in ("--alone", "--models", "--photos"):
        parser.add_argument(name, default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        alone(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        arguments.models = str(Path(folder) / "models")
        write_random_tower(Path(arguments.models), arguments.model)
        shards, what = photo_shards(Path(folder) / "photos")
        arguments.photos = str(shards)
        rounds = [{way: taken(way, arguments) for way in ("one", "own")} for _ in range(arguments.rounds)]
        digests = {digest for each in rounds for _, _, digest in each.values()}
        assert len(digests) == 1, "the embeddings differ"
        memory = {way: peak_memory(command(way, arguments, WORKERS * SHORT))[1] for way in ("one", "own")}
    middle = statistics.median
    publish(
        "inference_process",
        {
            "data": what,
            "model": arguments.model,
            "precision": arguments.precision or "fp32",
            "workers": WORKERS,
            "cores": len(os.sched_getaffinity(0)),
            "images_a_second": {way: round(1 / middle(one[way][0] for one in rounds), 2) for way in ("one", "own")},
            "processor_ms": {way: round(1e3 * middle(one[way][1] for one in rounds), 1) for way in ("one", "own")},
            "times_faster": round(middle(one["own"][0] / one["one"][0] for one in rounds), 2),
            "peak_mb": {way: round(sum(each) / 1e6) for way, each in memory.items()},
            "by_process_mb": {way: [round(size / 1e6) for size in each] for way, each in memory.items()},
        },
    )


if __name__ == "__main__":
    main()
