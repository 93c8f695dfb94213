"""Killed between any two of the calls that writing is made of, work goes on and ends in the same bytes."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from tests.crash.commands import dice, restore, save, tell
from tests.crash.material import EMBEDDING
from tests.crash.place import JOBS, WORKERS, Place


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: (its place, its events, its results)."""
    place = Place.make(tmp_path_factory.mktemp("whole"))
    return place, place.do(["run"]), place.results()


def test_every_write_is_synced_and_renamed(whole):
    """A file gets its final name after its last byte was synced, and its folder is synced behind that."""
    _, events, _ = whole
    synced: dict[str, bool] = {}
    renamed, waiting = 0, set()
    for event in events:
        kind, path = event.split(" ", 1)
        name = re.sub(r"\.tmp-[0-9a-f]{12}'$", "'", path)
        if kind in {"create", "write"}:
            assert name != path, f"written under its final name: {path}"
            synced[name] = False
        elif kind == "fsync" and name != path:
            synced[name] = True
        elif kind == "fsync":
            waiting -= {one for one in waiting if f"{Path(one.strip(chr(39))).parent}" == path.strip("'")}
        elif kind == "rename":
            assert synced.pop(path), f"renamed before it was synced: {path}"
            renamed += 1
            waiting.add(path)
    assert not waiting
    assert not synced
    assert renamed > 10


def kill_often(place: Place, chance: random.Random, name: str, events: int, kills: int, workers: int) -> None:
    """Kill a command at points chosen by chance, then let it finish."""
    for _ in range(kills):
        point = chance.randint(1, max(2, events // 2))
        if not place.watched.kill_at(point, *place.arguments(name, workers), torn=chance.random() < 0.5):
            break
    place.do_here(name)


@pytest.mark.parametrize("workers", [WORKERS[0], *(pytest.param(more, marks=pytest.mark.soak) for more in WORKERS[1:])])
def test_killed_run_ends_in_the_same_bytes(whole, tmp_path, workers):
    """Killed again and again at points of a seeded choice, `run` ends as if nothing had been, with any workers."""
    first, events, results = whole
    place = Place(first.base, first.watched)
    restore(save(tmp_path / "nothing"), *place.folders)
    before = place.watched.kills
    kill_often(place, dice(workers), "run", len(events), 4, workers)
    assert place.watched.kills - before >= 2
    assert place.results() == results


def test_killed_commands_end_in_the_same_bytes(tmp_path):
    """Scoring, deciding, exporting, rescoring and removing, each killed at points of a seeded choice."""
    names = ("score", "decide", "export webdataset", "remove")
    place = Place.make(tmp_path)
    counts = {name: len(place.do([name])) for name in names}
    results = place.results()
    restore(save(tmp_path / "nothing"), *place.folders)
    chance = dice(0)
    for name in names:
        kill_often(place, chance, name, counts[name], 2, 2)
    assert place.watched.kills >= 6
    assert place.results() == results


def test_killed_scoring_keeps_embeddings_and_rows_together(tmp_path):
    """Embeddings, as Parquet and as mapped matrix, are the same bytes too; a part without them is never left."""
    place = Place.make(tmp_path, EMBEDDING)
    events = place.do(["run"])
    results = place.results()
    assert any(name.endswith(".npy") for name in results)
    points = [number for number, event in enumerate(events, 1) if "/embeddings/" in event and "rename" in event]
    restore(save(tmp_path / "nothing"), *place.folders)
    assert place.watched.kill_at(points[-1], *place.arguments("run", 2))
    parts = {path.stem for path in (place.base / "out" / "run" / "parts").glob("*.parquet")}
    embedded = {path.stem for path in (place.base / "out" / "run" / "embeddings").glob("*.parquet")}
    assert parts <= embedded
    place.do_here("run")
    assert place.results() == results


@pytest.mark.soak
def test_killed_adding_of_a_score_on_stored_embeddings(tmp_path):
    """Killed at points of a seeded choice, adding such a score ends in the bytes of one scoring, embeddings and all."""
    place = Place.make(tmp_path, EMBEDDING)
    added = EMBEDDING.replace("embedding]", "embedding, 'tests.pipeline.test_scoring:OnEmbeddingStage']")
    (place.base / "recipe.yaml").write_text(added)
    place.do_here("score")
    results = place.results()
    restore(save(tmp_path / "nothing"), *place.folders)
    (place.base / "recipe.yaml").write_text(EMBEDDING)
    place.do_here("score")
    embedded = {name: hashed for name, hashed in place.results().items() if "/embeddings" in name}
    saved = save(tmp_path / "embedded", *place.folders)
    (place.base / "recipe.yaml").write_text(added)
    events = place.do(["score"], 1)
    assert not any("/embeddings" in event for event in events)
    assert place.results() == results
    assert embedded.items() <= results.items()
    restore(saved, *place.folders)
    kill_often(place, dice(2), "score", len(events), 3, 2)
    assert place.watched.kills >= 1
    assert place.results() == results


def test_killed_worker_is_replaced(whole):
    """A worker that is killed while it writes a part, and nobody else, costs a second try and nothing more."""
    place, events, results = whole
    point = next(number for number, event in enumerate(events, 1) if "/parts/" in event and "rename" in event)
    restore(save(place.base / "nothing"), *place.folders)
    place.watched.finish(*place.arguments("run", 2), kill=point, alone=True)
    for path in (place.base / "out").rglob("*.tmp-*"):
        path.unlink()  # of a worker that died while all others went on: swept by whoever scores here next
    assert place.results() == results


@pytest.mark.soak
@pytest.mark.parametrize("name", JOBS)
def test_killed_at_every_boundary(tmp_path, capsys, name):
    """Every boundary of every command, and the middle of every write; workers vary from one to the next."""
    place = Place.make(tmp_path)
    place.do(JOBS[name])
    saved = save(tmp_path / "before", *place.folders)
    events = place.do([name])
    results = place.results()
    asked = next((at for at, event in enumerate(events, 1) if "run.json" in event and "rename" in event), 0)
    for point, event in enumerate(events, 1):
        for torn in (False, True) if event.startswith("write ") else (False,):
            workers = WORKERS[(point + torn) % 3]
            restore(saved, *place.folders)
            killed = place.watched.kill_at(point, *place.arguments(name, workers), torn=torn)
            assert killed or workers > 1, event
            again = name
            if name == "rescore" and killed and point > asked and point % 2:
                again = "rescore, unasked"  # what was asked for once is on record
            place.do([again], workers)
            assert place.results() == results, (point, event, torn)
    assert place.watched.kills >= len(events) * 0.9
    tell(capsys, f"{name}: {place.watched.kills} kills at {len(events)} boundaries")
