"""A run whose large model is held by the inference process: the same bytes with it and without, whoever is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.cli.processes import imagecurator
from tests.crash.commands import LONGEST, Watched, dice, restore, results, save, tell
from tests.crash.material import make_many
from tests.models.clip_towers import both_towers, write_both

MATCH = "nemo_curator.stages.image.filters.caption_match_filter:ImageCaptionMatchFilterStage"
RECIPE = f"scores: [header, entropy, {{embedding: {{model: clip-vit-base-patch32}}}}, {MATCH}]\nrules: {{}}\n"
INFERENCE, WORKER = "nemo_curator.backends.local.inference", "nemo_curator.backends.local.worker"
SHARDS = 8


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Iterator[Path]:
    """Shards, a recipe, and a small CLIP in the place of a large one, which commands find by the environment."""
    base = tmp_path_factory.mktemp("inference")
    make_many(base / "in", shards=SHARDS)
    (base / "recipe.yaml").write_text(RECIPE)
    write_both(base / "models" / "openai" / "clip-vit-base-patch32", both_towers(32, 512))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGECURATOR_MODEL_DIR", str(base / "models"))
        patch.setenv("IMAGECURATOR_CACHE", str(base / "cache"))
        yield base


def score(base: Path, workers: int) -> list[str]:
    """The arguments of the command."""
    return ["score", str(base / "in"), str(base / "run"), "-r", str(base / "recipe.yaml"), "-w", str(workers)]


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory) -> dict[str, str]:
    """The files of a run without any other process."""
    folder = tmp_path_factory.mktemp("whole")
    assert imagecurator(*score(base, 0)).returncode == 0
    found = results(base / "run")
    restore(folder / "nothing", base / "run")
    assert len([name for name in found if "/embeddings/" in name and name.endswith(".parquet")]) == SHARDS
    return found


def processes(started: subprocess.Popen[str], module: str) -> list[psutil.Process]:
    """The processes of a command that run a module."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(started.pid).children():
            with suppress(psutil.Error):
                if module in child.cmdline():
                    found.append(child)
    return found


def parts(base: Path) -> int:
    """Partitions that are done."""
    return len(list((base / "run" / "parts").glob("*.parquet")))


def harass(base: Path, started: subprocess.Popen[str], workers: int, chance: random.Random) -> dict[str, int]:
    """Kill the inference process at moments of chance, and one worker; how often each.

    Not three times before it has computed anything, which would end the run: after two kills so many partitions have to
    be finished that one of them was computed since. Nor two workers, which may be at the same batch, and condemn it.
    """
    kills = {INFERENCE: 0, WORKER: 0}
    fatal, spared = chance.randrange(SHARDS), 0
    while started.poll() is None:
        time.sleep(chance.uniform(0, 0.1))
        module = WORKER if not kills[WORKER] and parts(base) >= fatal else INFERENCE
        if module == INFERENCE and parts(base) < spared:
            continue
        for victim in processes(started, module)[:1]:
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
                kills[module] += 1
                if module == INFERENCE and kills[INFERENCE] % 2 == 0:
                    spared = parts(base) + workers + 1
    return kills


@pytest.mark.parametrize("workers", [1, 4])
def test_the_same_bytes_with_it_and_without(base, tmp_path, whole, workers):
    """Any number of workers that share one model write what one process writes that has its own."""
    Watched(tmp_path, (base / "run",)).finish(*score(base, workers))
    found = results(base / "run")
    restore(tmp_path / "nothing", base / "run")
    assert found == whole


def once(base: Path, watched: Watched, workers: int, chance: random.Random) -> tuple[dict[str, int], dict[str, str]]:
    """One run with kills, which ends well all the same; (kills, its files)."""
    restore(watched.folder / "nothing", base / "run")
    started = watched.start(*score(base, workers))
    kills = harass(base, started, workers, chance)
    _, said = started.communicate(timeout=LONGEST)
    assert started.returncode == 0, said
    watched.bury()
    again = imagecurator(*score(base, 0))  # sweeps what a killed worker had half written, and has nothing else to do
    assert again.returncode == 0, again.stderr
    return kills, results(base / "run")


@pytest.mark.soak
def test_killed_processes_change_nothing(base, tmp_path, whole):
    """The inference process and a worker are killed while a run goes on; it goes on, to the same bytes."""
    kills, found = once(base, Watched(tmp_path, (base / "run",)), 2, dice(1))
    restore(tmp_path / "nothing", base / "run")
    assert found == whole
    assert kills[INFERENCE] >= 2


@pytest.mark.soak
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_killed_processes_change_nothing_at_any_moment(base, tmp_path, whole, capsys, workers):
    """The same, many times."""
    watched, chance, sums = Watched(tmp_path, (base / "run",)), dice(workers), {INFERENCE: 0, WORKER: 0}
    while sums[INFERENCE] < 60:
        kills, found = once(base, watched, workers, chance)
        assert found == whole
        sums = {module: count + kills[module] for module, count in sums.items()}
    restore(tmp_path / "nothing", base / "run")
    tell(capsys, f"{workers} workers: {sums} kills of single processes")


@pytest.mark.soak
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_killed_commands_go_on(base, tmp_path, whole, capsys, workers):
    """The whole command is killed at random moments, with all its processes, and run again."""
    watched, chance = Watched(tmp_path, (base / "run",)), dice(workers)
    longest = 6.0
    while watched.kills < 20:
        restore(save(tmp_path / "nothing"), base / "run")
        while watched.kill_after(chance.uniform(0, longest), *score(base, workers)):
            pass
        assert results(base / "run") == whole
    restore(tmp_path / "nothing", base / "run")
    tell(capsys, f"{workers} workers: {watched.kills} kills of commands with an inference process")


@pytest.mark.parametrize("alone", [pytest.param(True, marks=pytest.mark.soak), False])
def test_a_killed_supervisor_leaves_nobody(base, tmp_path, whole, alone):
    """The inference process ends with the command, whether it is killed alone or together with its workers."""
    watched = Watched(tmp_path, (base / "run",))
    started = watched.start(*score(base, 2))
    while not processes(started, INFERENCE) or not parts(base):
        assert started.poll() is None
        time.sleep(0.005)
    if alone:
        os.kill(started.pid, signal.SIGKILL)
    else:
        watched.kill(started)
    started.communicate(timeout=LONGEST)
    watched.bury()
    again = imagecurator(*score(base, 0))
    assert again.returncode == 0, again.stderr
    assert results(base / "run") == whole
    restore(tmp_path / "nothing", base / "run")
