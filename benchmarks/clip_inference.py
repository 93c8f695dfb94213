"""How long does CLIP take an image, from JPEG bytes to scores, against the usual pipeline and the bare runtime call?

*ours*: `imagecurator score` with the embedding and the LAION heads that fit it. Its seconds an image are the difference
of two runs of different length, so that loading does not count. *transformers*: the usual loop in fp32 (and bf16) with
all cores (`contenders/transformers_clip.py`), loading left out too. *bare*: the runtime that computes ours, called on
ready tensors, with nothing around it. They run in turn, and the ratio is the median over the rounds. Towers are of the
true shape with random numbers; the heads are the real ones where they lie beside the checkout.

Also: how far the embeddings agree with transformers in fp32, through the whole path from JPEG bytes, and the memory of
a run with two workers (proportional, so that what is shared counts once).

Run: `python benchmarks/clip_inference.py [--model clip-vit-large-patch14] [--images 48] [--rounds 3] [--parity 200]`
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from nemo_curator.models import registry
from nemo_curator.models.numerics import Numerics, precisions, runtimes
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions
from nemo_curator.shards.parquet import read_table
from support.machine import publish
from support.memory import peak_memory
from support.photos import photo_shards
from support.random_tower import write_random_tower

HERE = Path(__file__).parent
SHARED_HEADS = HERE.parents[1] / "shared" / "data" / "models"
HEADS = {
    "clip-vit-large-patch14": {"aesthetic": "sac-logos-ava1-l14-linearMSE", "nsfw": "clip-autokeras-binary-nsfw"},
    "clip-vit-base-patch32": {"aesthetic": "sa_0_4_vit_b_32_linear"},
}
CORES = len(os.sched_getaffinity(0))
BATCH = 10  # of a tower; every tar holds whole ones, so that no filling up is counted, or left out
SHORT = 2 * CORES * BATCH  # images of the run that is subtracted


def photos(folder: Path, count: int) -> tuple[Path, str]:
    """(a folder with `count` photos in tars, two for each core, what they are)."""
    shards, what = photo_shards(folder / "all")
    files: list[tuple[str, bytes]] = []
    for shard in sorted(shards.glob("*.tar")):
        with tarfile.open(shard) as tar:
            files += [(one.name, tar.extractfile(one).read()) for one in tar if one.name.endswith(".jpg")]
    place = folder / f"photos-{count}"
    place.mkdir()
    each = -(-count // (2 * CORES))
    for index in range(0, count, each):
        with tarfile.open(place / f"{index:06}.tar", "w") as tar:
            for name, data in files[index : min(index + each, count)]:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return place, what


class Ours:
    """The command, for one model."""

    def __init__(self, model: str, models: Path, folder: Path) -> None:
        heads = {name: head for name, head in HEADS[model].items() if (SHARED_HEADS / "laion").is_dir()}
        chosen = {"embedding": model, **heads}
        self.scores = list(chosen)
        self._settings = ["--scores", ",".join(chosen)]
        for name, value in chosen.items():
            self._settings += ["--set", f"models.{name}={value}"]
        self._environment = {**os.environ, "IMAGECURATOR_MODEL_DIR": str(models)}
        self.run = folder / "run"

    def command(self, source: Path, numerics: Numerics) -> list[str]:
        """The command line, into a fresh run directory."""
        shutil.rmtree(self.run, ignore_errors=True)
        asked = {"runtime": numerics.runtime, "precision": numerics.precision}
        settings = [part for name, value in asked.items() for part in ("--set", f"inference.{name}={value}")]
        return [
            sys.executable,
            "-m",
            "nemo_curator.cli",
            "score",
            str(source),
            str(self.run),
            *self._settings,
            *settings,
        ]

    def seconds(self, source: Path, numerics: Numerics) -> float:
        """Wall time of a whole process."""
        command = self.command(source, numerics)
        start = time.perf_counter()
        subprocess.run(command, check=True, env=self._environment, capture_output=True)
        return time.perf_counter() - start

    def memory(self, source: Path, numerics: Numerics) -> list[int]:
        """Bytes of each process when they took most together."""
        os.environ.update(self._environment)
        return peak_memory(self.command(source, numerics))[1]

    def rows(self) -> np.ndarray:
        """The embeddings of the last run, in source order."""
        run = RunDirectory(str(self.run))
        tables = [read_table(run.embeddings(one.id)) for one in read_partitions(run)]
        return np.stack(pa.concat_tables(tables)["embedding"].to_numpy()).astype(np.float32)


def usual(tar: Path, count: int, folder: Path, rows: Path, dtype: str = "float32") -> float:
    """Seconds of transformers' loop over the first photos of a tar."""
    script = HERE / "contenders" / "transformers_clip.py"
    command = [sys.executable, str(script), str(tar), str(count), str(folder), str(rows), dtype]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def bare(model: registry.ImageModel, views: np.ndarray) -> float:
    """Seconds of the bare call on ready tensors."""
    start = time.perf_counter()
    model(views)
    return time.perf_counter() - start


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """All of one model."""
    name, count = arguments.model, -(-arguments.images // SHORT) * SHORT
    models = folder / "models"
    tower = write_random_tower(models, name)
    for part in ("laion", "ttj"):
        if (SHARED_HEADS / part).is_dir():
            (models / part).symlink_to(SHARED_HEADS / part)
    long, what = photos(folder, count + SHORT)
    short, _ = photos(folder, SHORT)
    ours = Ours(name, models, folder)
    views = np.random.default_rng(0).integers(0, 256, (20, 224, 224, 3), np.uint8)
    figures: dict[str, object] = {"data": what, "scores": ours.scores, "images": count, "rounds": arguments.rounds}
    ways = [Numerics(one, precision) for one in runtimes() for precision in precisions(one)]
    ways = [one for one in ways if not arguments.runtime or one.runtime == arguments.runtime]
    taken: dict[str, list[float]] = {"transformers fp32": [], "transformers bf16": []}
    taken |= {f"{who} {way}": [] for way in ways for who in ("ours", "bare")}
    rows = folder / "rows.npy"
    first = whole_tar(folder, count)
    for _ in range(arguments.rounds):
        taken["transformers fp32"].append(usual(first, count, tower, rows) / count)
        taken["transformers bf16"].append(usual(first, count, tower, rows, "bfloat16") / count)
        for way in ways:
            more, fewer = ours.seconds(long, way), ours.seconds(short, way)
            taken[f"ours {way}"].append((more - fewer) / count)
            model = registry.create(name, CORES, models, way)
            model.setup()
            model(views[:10])
            taken[f"bare {way}"].append(bare(model, views) / len(views))
            del model
    figures["ms_an_image"] = {who: round(statistics.median(each) * 1e3, 1) for who, each in taken.items()}
    figures["times_transformers_fp32"] = {
        str(way): ratio(taken["transformers fp32"], taken[f"ours {way}"]) for way in ways
    }
    figures["share_of_bare"] = {str(way): ratio(taken[f"bare {way}"], taken[f"ours {way}"]) for way in ways}
    if arguments.parity:
        figures["least_cosine_to_transformers"] = parity(ours, ways, tower, folder, arguments.parity)
    figures["memory_megabytes"] = {str(way): [round(one / 1e6) for one in ours.memory(long, way)] for way in ways}
    return figures


def whole_tar(folder: Path, count: int) -> Path:
    """One tar with the first photos."""
    place = folder / f"first-{count}.tar"
    if not place.exists():
        shards, _ = photo_shards(folder / "all")
        with tarfile.open(place, "w") as out:
            left = count
            for shard in sorted(shards.glob("*.tar")):
                with tarfile.open(shard) as tar:
                    for member in (one for one in tar if one.name.endswith(".jpg")):
                        if left:
                            out.addfile(member, tar.extractfile(member))
                            left -= 1
    return place


def parity(ours: Ours, ways: list[Numerics], tower: Path, folder: Path, count: int) -> dict[str, float]:
    """The least cosine of an embedding to that of transformers in fp32; both begin with the bytes of the file."""
    tar, rows = whole_tar(folder, count), folder / "parity.npy"
    usual(tar, count, tower, rows)
    wanted = np.load(rows).astype(np.float64)
    found = {}
    for way in ways:
        ours.seconds(tar, way)
        given = ours.rows().astype(np.float64)
        given /= np.linalg.norm(given, axis=1, keepdims=True)
        found[str(way)] = round(float((given * wanted).sum(axis=1).min()), 6)
    return found


def ratio(first: list[float], second: list[float]) -> float:
    """Median of first over second, round by round."""
    return round(statistics.median(a / b for a, b in zip(first, second, strict=True)), 2)


def main() -> None:
    """Measure a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="clip-vit-base-patch32", choices=sorted(HEADS))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parity", type=int, default=200, help="photos to compare embeddings of; 0 for none")
    parser.add_argument("--runtime", default="", help="the only runtime to measure")
    arguments = parser.parse_args()
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        print("clip_inference: torch and transformers are not installed, and there is nothing to compare with")
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(arguments, Path(folder))
    publish(f"clip_inference_{arguments.model}", {"model": arguments.model, **figures})


if __name__ == "__main__":
    main()
