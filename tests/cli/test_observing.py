"""`--log-json` and `--metrics` of the real command."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from pathlib import Path

import pytest
import typer
from tests.cli.processes import CHEAP, imagecurator, pictures, process, sentence, tree

from nemo_curator.cli.failures import as_sentences
from nemo_curator.cli.observing import Observing, observed
from nemo_curator.errors import InputError, LeakError
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress import events as ev


@pytest.fixture
def place(tmp_path):
    """A folder with three pictures, a broken one, and a recipe."""
    pictures(tmp_path / "in")
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    (tmp_path / "recipe.yaml").write_text(CHEAP.replace("64", "73"))
    return tmp_path


def events(path):
    """The lines of a log."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def metrics(path):
    """Name with labels to value."""
    return dict(line.rsplit(" ", 1) for line in path.read_text().splitlines() if not line.startswith("#"))


def test_a_run_is_written_down(place):
    """A run with workers: from its beginning to the funnel; the metrics end as it ended; nothing else changes."""
    log, prom = place / "log" / "run.jsonl", place / "run.prom"
    arguments = ["run", place / "in", place / "out", "-r", place / "recipe.yaml", "-w", "1"]
    done = process(*arguments, "--log-json", log, "--metrics", prom)
    assert done.returncode == 0, done.stderr
    assert "score: 4 images" in done.stderr
    found = {one["event"]: one for one in events(log)}
    assert [name for name in found if name not in {"progress", "note", "warning"}] == [
        *("begun", "planned", "partition", "deciding", "decided", "exporting", "finished")
    ]
    assert found["begun"]["inputs"] == [str(place / "in")]
    assert found["planned"]["workers"] == 1
    assert found["partition"]["errors"] == {"not_an_image": 1} or sum(found["partition"]["errors"].values()) == 1
    assert found["partition"]["rules"] == {"small": 3}
    assert found["partition"]["stage_seconds"].keys() >= {"image_reader", "header", "part_writer"}
    assert found["finished"]["funnel"] == found["decided"]["funnel"]
    assert found["finished"]["funnel"]["inputs"] == 4
    assert found["finished"]["memory_peak"] > 10_000_000
    ended = metrics(prom)
    assert ended['imagecurator_phase{phase="finished"}'] == "1"
    assert ended['imagecurator_images{verdict="reject"}'] == "3"
    assert ended["imagecurator_partitions_done"] == "1"
    assert sorted(one.name for one in (place).iterdir()) == ["in", "log", "out", "recipe.yaml", "run.prom"]


def test_the_steps_are_written_down_one_by_one(place):
    """`score`, `decide` and `export` append to one log, each from its beginning to its end."""
    log = place / "all.jsonl"
    for arguments in (
        ["score", place / "in", place / "run", "-r", place / "recipe.yaml"],
        ["decide", place / "run", "--rule", "small=least(width, height) < 10"],
        ["export", place / "run", place / "out"],
    ):
        done = imagecurator(*arguments, "--log-json", log, "--metrics", place / "m.prom")
        assert done.returncode == 0, done.stderr
    found = events(log)
    assert [one["command"] for one in found if one["event"] == "begun"] == ["score", "decide", "export"]
    ends = [one for one in found if one["event"] == "finished"]
    assert [one["funnel"] and one["funnel"]["kept"] for one in ends] == [None, 3, None]
    assert ends[2]["written"] == 3
    assert metrics(place / "m.prom")["imagecurator_exported_samples_total"] == "3"


def test_leaks_that_are_found_are_written_down(place):
    """`decontaminate` writes down what it does; leaks are no failure of it, and its exit code tells of them."""
    log = place / "log.jsonl"
    arguments = ["decontaminate", place / "in", "--protect", place / "in" / "000.jpg"]
    done = imagecurator(*arguments, "--log-json", log, "--metrics", place / "m.prom")
    assert done.returncode == LeakError.exit_code, done.stderr
    found = events(log)
    assert (found[0]["command"], found[-1]["event"]) == ("decontaminate", "finished")
    assert [one["set"] for one in found if one["event"] == "protecting"]
    assert metrics(place / "m.prom")['imagecurator_phase{phase="finished"}'] == "1"
    before = tree(place)
    assert "--log-json" in sentence(imagecurator(*arguments, "--log-json", place / "in" / "log"), 4)
    assert tree(place) == before


def test_embedding_is_written_down(place):
    """`embed` tells of its partitions, as `score` does; nothing but lines of JSON is on stderr then."""
    done = imagecurator("embed", place / "in", place / "out", "--log-json", "-", "--metrics", place / "m.prom")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert [found[0]["event"], found[0]["command"], found[-1]["event"]] == ["begun", "embed", "finished"]
    assert sum(one["records"] for one in found if one["event"] == "partition") == 4
    assert metrics(place / "m.prom")["imagecurator_partitions_done"] == "1"


def test_stderr_is_for_machines_alone(place):
    """With `-`, every line on stderr is JSON; the table stays on stdout, and there too that nothing is kept."""
    nothing = ("-s", "rules.all='true'")
    done = imagecurator("run", place / "in", place / "out", "-r", place / "recipe.yaml", *nothing, "--log-json", "-")
    assert done.returncode == 0
    names = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert (names[0], names[-1]) == ("begun", "finished")
    assert "What became of every input" in done.stdout
    assert "note: nothing is kept" in done.stdout


def test_an_error_is_written_down(place):
    """What ends a command stands in the log with its code, and in the metrics as a phase."""
    (place / "mine").mkdir()
    (place / "mine" / "file").write_text("x")
    log = place / "log.jsonl"
    done = imagecurator(
        "run", place / "in", place / "mine", "-r", place / "recipe.yaml", "--log-json", log, "--metrics", place / "m"
    )
    said = sentence(done, 4)
    last = events(log)[-1]
    assert (last["event"], last["error"], last["exit_code"]) == ("failed", "OutputExistsError", 4)
    assert last["text"] in said
    assert metrics(place / "m")['imagecurator_phase{phase="failed"}'] == "1"


@pytest.mark.parametrize("option", ["--log-json", "--metrics"])
@pytest.mark.parametrize("where", ["in/log", "out/log", "out/run/log", "recipe.yaml", "in"])
def test_nothing_of_a_users_is_written_over(place, option, where):
    """A file inside the input, output or run, and one of something else, is refused before the run; nothing changes."""
    before = tree(place)
    done = imagecurator("run", place / "in", place / "out", "-r", place / "recipe.yaml", option, place / where)
    assert option in sentence(done, 4)
    assert tree(place) == before


def test_a_dry_run_writes_nothing(place):
    """Neither the log nor the metrics."""
    before = tree(place)
    where = ["--log-json", place / "l", "--metrics", place / "m", "--dry-run"]
    done = imagecurator("run", place / "in", place / "out", "-r", place / "recipe.yaml", *where)
    assert done.returncode == 0
    assert tree(place) == before


def test_a_torn_line_stays_alone(tmp_path):
    """After a command that was killed while it wrote, the next one begins a line of its own."""
    log = tmp_path / "log"
    log.write_bytes(b'{"v": 1, "time": "2026-01-01T00:00:00.000Z", "eve')
    with observed("run", Observing(str(log)), Watcher(), {}):
        pass
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()[1:]] == ["begun", "finished"]


def test_a_log_that_cannot_be_written_ends_no_run(tmp_path, capsys):
    """A pipe whose reader is gone, a folder that is gone: said once, and the run goes on."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: os.close(os.open(pipe, os.O_RDONLY)))
    reader.start()
    with observed("run", Observing(str(pipe)), Watcher(), {}) as watcher:
        reader.join()
        for _ in range(3):
            watcher.told(ev.Deciding())
    said = capsys.readouterr().err
    assert said.count("pipe is not written any more") == 1


def test_leftovers_of_a_killed_command_go(tmp_path):
    """A temporary file beside the metrics is removed by the next command; other files stay."""
    (tmp_path / "m.prom.tmp-0123456789ab").write_text("half")
    (tmp_path / "m.prom.tmp-notes").write_text("mine")
    with observed("run", Observing(metrics=str(tmp_path / "m.prom")), Watcher(), {}):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.prom", "m.prom.tmp-notes"]


def test_how_a_command_ends_is_told(tmp_path):
    """An error of ours with its code, Ctrl-C by its name, anything else by its class; and it goes on to the caller."""
    for number, (error, name, code) in enumerate(
        [
            (InputError("gone", where="s3://me:secret@x/y"), "InputError", 3),
            (KeyboardInterrupt(), "Interrupted", 130),
            (RuntimeError("Query interrupted by nobody"), "RuntimeError", 1),
            (ZeroDivisionError("by zero"), "ZeroDivisionError", 1),
        ]
    ):
        log = tmp_path / str(number)
        with pytest.raises(type(error)), observed("run", Observing(str(log)), Watcher(), {}):
            raise error
        last = events(log)[-1]
        assert (last["error"], last["exit_code"]) == (name, code)
        assert "secret" not in log.read_text()


def test_what_a_library_makes_of_a_polite_kill_is_an_interruption(tmp_path, capsys):
    """Whatever error it raises, where the command was asked to stop."""
    log = tmp_path / "log"

    @as_sentences
    def command():
        """Is asked to stop, of which a library makes an error of its own."""
        with observed("run", Observing(str(log)), Watcher(), {}):
            try:
                signal.raise_signal(signal.SIGTERM)
            except KeyboardInterrupt:
                raise RuntimeError("the query came to nothing") from None

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 130
    assert "interrupted" in capsys.readouterr().err
    assert (events(log)[-1]["error"], events(log)[-1]["exit_code"]) == ("Interrupted", 130)


@pytest.mark.parametrize(
    ("told", "places", "sentence"),
    [
        (
            [ev.Planned(1, 1_000, 0), ev.Read(200)],
            {"run": "r"},
            "0 of 1 partition was finished, so the same command begins again",
        ),
        ([ev.Planned(3, 10, 0)], {"run": "r"}, "0 of 3 partitions were finished, so the same command begins again"),
        (
            [ev.Planned(3, 1_000, 0), ev.Scored(10, {})],
            {"output": "o"},
            "1 of 3 partitions was finished and stays; the same command goes on from there",
        ),
        (
            [ev.Planned(3, 1_000, 1), ev.Scored(10, {}), ev.Scored(10, {}), ev.Deciding()],
            {"run": "r"},
            "3 of 3 partitions were finished and stay; the same command goes on from there",
        ),
        ([ev.Deciding()], {"run": "r"}, "what was finished stays; the same command goes on from there"),
        ([ev.Planned(1, 9, 0)], {"inputs": "i"}, "this command keeps nothing on the way; it may be given again"),
    ],
)
def test_an_interruption_says_what_is_kept(told, places, sentence, capsys):
    """Only whole partitions stay, so that is what is counted, whatever was read of the others."""

    @as_sentences
    def command():
        """Is stopped by Ctrl-C in the middle."""
        with observed("score", Observing(), Watcher(), places) as watcher:
            for one in told:
                watcher.told(one)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == f"imagecurator: interrupted: {sentence}\n"


def test_a_command_that_is_not_watched_may_be_interrupted_too(capsys):
    """It promises nothing of what it kept."""
    with pytest.raises(typer.Exit):
        as_sentences(lambda: signal.raise_signal(signal.SIGINT))()
    assert capsys.readouterr().err == "imagecurator: interrupted; the same command may be given again\n"


def test_a_url_is_no_file_of_this_machine(place):
    """A log at a URL is refused in a sentence."""
    done = imagecurator("run", place / "in", place / "out", "--log-json", "s3://bucket/log")
    assert "local path" in sentence(done, 4)


def test_lines_have_the_time(tmp_path):
    """Every line says when, in UTC to the millisecond, and the seconds since the beginning never fall."""
    log = Path(tmp_path / "log")
    with observed("run", Observing(str(log)), Watcher(), {}) as watcher:
        watcher.told(ev.Deciding())
    found = events(log)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one["time"]) for one in found)
    assert [one["elapsed"] for one in found] == sorted(one["elapsed"] for one in found)
