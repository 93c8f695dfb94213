"""Killed at any moment, again and again, work goes on and ends in the same bytes."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from tests.crash.commands import Watched, dice, restore, results, save, tell
from tests.crash.material import CHEAP, make_many
from tests.crash.place import WORKERS

KILLS = 72  # for each number of workers
PHASES = ("score", "decide", "export")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Shards that take a moment, and a recipe."""
    base = tmp_path_factory.mktemp("random")
    make_many(base / "in")
    (base / "recipe.yaml").write_text(CHEAP.replace("shard_size: 4", "shard_size: 9"))
    return base


def _commands(base: Path, workers: int) -> dict[str, list[str]]:
    """Phase to the arguments of its command."""
    source, run, out, recipe = (str(base / name) for name in ("in", "run", "out", "recipe.yaml"))
    return {
        "score": ["score", source, run, "-r", recipe, "-w", str(workers)],
        "decide": ["decide", run],
        "export": ["export", run, out],
    }


def _seconds(watched: Watched, arguments: list[str]) -> float:
    """How long a command takes from its first event to its end."""
    started = watched.start(*arguments)
    while not watched.events():
        assert started.poll() is None
        time.sleep(0.001)
    begun = time.monotonic()
    _, said = started.communicate(timeout=120)
    assert started.returncode == 0, said
    return time.monotonic() - begun


def _kill_again_and_again(watched: Watched, chance: random.Random, arguments: list[str], longest: float) -> int:
    """Kill a command at moments of chance, up to eight times, and let it finish; how often it was killed."""
    kills = 0
    while kills < 8 and watched.kill_after(chance.uniform(0, longest), *arguments):
        kills += 1
    watched.finish(*arguments)
    return kills


@pytest.mark.soak
@pytest.mark.parametrize("workers", WORKERS)
def test_killed_at_random_moments(base, tmp_path, capsys, workers):
    """Scoring, deciding and exporting, each killed at dozens of moments: the bytes of an undisturbed run."""
    folders = (base / "run", base / "out")
    watched, commands, chance = Watched(tmp_path, folders), _commands(base, workers), dice(workers)
    restore(save(tmp_path / "nothing"), *folders)
    longest, before = {}, {}
    for phase in PHASES:
        before[phase] = save(tmp_path / f"before-{phase}", *folders)
        longest[phase] = _seconds(watched, commands[phase])
    whole = results(*folders)
    kills = dict.fromkeys(PHASES, 0)
    while min(kills.values()) < KILLS // len(PHASES):
        phase = min(PHASES, key=kills.__getitem__)
        restore(before[phase], *folders)
        kills[phase] += _kill_again_and_again(watched, chance, commands[phase], longest[phase])
        for later in PHASES[PHASES.index(phase) + 1 :]:
            watched.finish(*commands[later])
        assert results(*folders) == whole
    tell(capsys, f"{workers} workers: {sum(kills.values())} kills at random moments: {kills}")


@pytest.mark.soak
@pytest.mark.parametrize("workers", WORKERS)
def test_run_killed_at_random_moments(base, tmp_path, capsys, workers):
    """The same for `run`, all in one."""
    out = base / "out"
    arguments = ["run", str(base / "in"), str(out), "-r", str(base / "recipe.yaml"), "-w", str(workers)]
    watched, chance = Watched(tmp_path, (out,)), dice(workers)
    nothing = save(tmp_path / "nothing")
    restore(nothing, out)
    longest = _seconds(watched, arguments)
    whole = results(out)
    kills = 0
    while kills < KILLS // 3:
        restore(nothing, out)
        kills += _kill_again_and_again(watched, chance, arguments, longest)
        assert results(out) == whole
    tell(capsys, f"{workers} workers: {kills} kills of `run` at random moments")
