"""Workers that are started ahead: taken by the run that comes, and ended where none does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil
import pytest

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.backends.local.crew import Crew
from nemo_curator.cli.ahead import IMPORTED, crew_for
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Deciding
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.tasks import FileGroupTask
from nemo_curator.testing import encoded, make_tar, photo


@dataclass
class Says(ProcessingStage[FileGroupTask, FileGroupTask]):
    """Gives the worker's process id, and whether a module was imported before the stage came."""

    module: str = ""
    name: str = "says"

    def process(self, task):
        """Both, as text."""
        return FileGroupTask(data=[str(os.getpid()), str(self.module in sys.modules)])


def said(crew, *, partitions=1, module=""):
    """What the stage said of each partition, in a run of as many workers."""
    executor = LocalExecutor({"num_workers": partitions}, crew=crew)
    tasks = [FileGroupTask(data=[str(at)]) for at in range(partitions)]
    return [tuple(task.data) for task in executor.execute([Says(module)], tasks)]


def ids(crew):
    """Process ids of the workers that wait."""
    return [worker._child._process.pid for worker in crew._waiting]


@pytest.fixture
def crew():
    """A crew whose workers import a module that nothing else needs, and one that there is not."""
    with Crew(("no_such_module_anywhere", "colorsys")) as crew:
        yield crew


def test_the_worker_that_waits_does_the_work(crew):
    """A run takes the worker that was started ahead of it, which has imported meanwhile what it was told to."""
    crew.start_ahead(1)
    (waiting,) = ids(crew)
    assert said(crew, module="colorsys") == [(str(waiting), "True")]
    assert ids(crew) == []


def test_what_is_missing_is_started_and_one_crew_serves_many_runs(crew):
    """A run that wants more workers than wait starts the others; the next run of the crew starts its own."""
    crew.start_ahead(1)
    (waiting,) = ids(crew)
    crew.start_ahead(1)
    assert ids(crew) == [waiting]
    assert str(waiting) in {process for process, _ in said(crew, partitions=2)} | {str(waiting)}
    assert all(process != str(waiting) for process, _ in said(crew))


def test_workers_that_nobody_takes_are_ended():
    """At the end of the crew's block no process is left, and its descriptors are closed."""
    with Crew() as crew:
        crew.start_ahead(2)
        waiting = [psutil.Process(one) for one in ids(crew)]
        assert len(waiting) == 2
    assert not any(one.is_running() for one in waiting)
    assert crew.calls.fileno() == crew.desk.fileno() == -1


def test_nobody_waits_when_the_work_is_done(tmp_path):
    """Workers that a scoring had no use for are ended before deciding, which plans with their memory."""
    seen = []

    class Looks(Watcher):
        """Looks for those that waited, when deciding begins."""

        def told(self, event):
            """Deciding begins."""
            if isinstance(event, Deciding):
                seen.append([psutil.pid_exists(one) for one in waiting])

    make_tar(tmp_path / "in" / "0.tar", [("a.jpg", encoded(photo(1)))])
    with Crew() as crew:
        crew.start_ahead(3)
        waiting = ids(crew)
        recipe = parse_recipe("{scores: [header], rules: {}}")
        curate([str(tmp_path / "in")], str(tmp_path / "out"), recipe, watcher=Looks(), crew=crew)
    assert seen == [[False] * 3]


def test_a_worker_that_died_while_it_waited_is_replaced(crew):
    """A run that is handed a dead worker starts another one, and nobody notices."""
    crew.start_ahead(1)
    (waiting,) = ids(crew)
    process = psutil.Process(waiting)
    process.kill()
    process.wait()
    ((doer, _),) = said(crew)
    assert doer != str(waiting)


def test_a_command_starts_one_worker_ahead_where_there_is_surely_work_for_one(tmp_path):
    """None for a dry run, a run without workers, and a run that is there already."""
    run = RunDirectory(str(tmp_path))
    for workers, dry, count in ((None, False, 1), (4, False, 1), (0, False, 0), (None, True, 0)):
        with crew_for(run, workers, dry=dry) as crew:
            assert len(ids(crew)) == count
    (tmp_path / "run.json").write_text("{}")
    with crew_for(run, None, dry=False) as crew:
        assert ids(crew) == []


@dataclass
class Waits(ProcessingStage[FileGroupTask, FileGroupTask]):
    """Is at work until the command has imported something."""

    place: str = ""
    name: str = "waits"

    def process(self, task):
        """Look for the file that the module makes."""
        while not os.path.exists(self.place):  # noqa: PTH110 (nothing else is imported here)
            time.sleep(0.01)
        return task


def test_what_is_needed_later_is_imported_while_workers_work(tmp_path, monkeypatch):
    """The supervisor imports it in a moment in which it has nothing to answer; what cannot be imported stops nobody."""
    module = tmp_path / "needed_much_later.py"
    module.write_text("from pathlib import Path\nPath(__file__).with_suffix('.made').touch()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Crew(later=("no_such_module_anywhere", "needed_much_later")) as crew:
        executor = LocalExecutor({"num_workers": 1}, crew=crew)
        executor.execute([Waits(str(module.with_suffix(".made")))], [FileGroupTask(data=["a"])])
    assert "needed_much_later" in sys.modules
    del sys.modules["needed_much_later"]


def loaded(statement, *names):
    """Which of some modules a fresh process has loaded after a statement."""
    told = f"{statement}\nimport sys; print(*(set({names!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, check=True, text=True)
    return done.stdout.split()


def test_a_worker_that_waits_imports_no_more_than_workers_need():
    """What it imports ahead is there to be imported, and brings neither the deciding parts nor a logger."""
    wanted = [name for name in IMPORTED if name != "pandas"]  # which not everybody has
    heavy = ("duckdb", "sqlglot", "pydantic", "rich", "loguru", "asyncio", "nemo_curator.backends.local.executor")
    assert loaded("\n".join(f"import {name}" for name in ["nemo_curator.backends.local.worker", *wanted]), *heavy) == []


def test_a_local_run_imports_nothing_of_ray():
    """The room of the other executor is of no use to it."""
    assert loaded("import nemo_curator.pipeline.curate", "nemo_curator.backends.ray_data") == []


def test_a_command_starts_its_worker_before_it_imports_what_takes_long():
    """What must be imported to start a worker is little."""
    heavy = ("numpy", "pyarrow", "duckdb", "pydantic", "rich", "PIL", "fsspec")
    assert loaded("import nemo_curator.cli.ahead", *heavy) == []
