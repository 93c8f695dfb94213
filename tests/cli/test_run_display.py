"""What a run shows: on a terminal, in a log, to a machine."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import termios

import pytest
from rich.console import Console
from tests.cli.processes import CHEAP, command, imagecurator, pictures, process

from nemo_curator.cli.display import PlainDisplay, Words
from nemo_curator.cli.live import Bars, LiveDisplay
from nemo_curator.pipeline.progress import events as ev


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pictures, one of them too small, and a recipe."""
    folder = tmp_path_factory.mktemp("display")
    pictures(folder / "in", 12)
    (folder / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    (folder / "recipe.yaml").write_text(CHEAP.replace("64", "73"))
    return folder


def _on_terminal(arguments: list[str], columns: int = 80) -> tuple[int, str]:
    """Run on a terminal of that width; returns the exit code and all that was written to it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as running:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        code = running.wait(timeout=30)
    return code, shown.decode()


def test_terminal_shows_speed_and_verdicts(place, tmp_path):
    """A terminal of 80 columns shows images, images per second, verdicts, share and time left, and then the table."""
    code, shown = _on_terminal(command("run", place / "in", tmp_path / "out", "-r", place / "recipe.yaml", "-w", "1"))
    assert code == 0, shown
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert re.search(r"13 images, [\d,]+ images/s", plain)
    assert "so far kept 0, rejected 12 (small 12), quarantined 1" in plain
    assert "time: " in plain
    assert "score" in plain
    assert "100%" in plain
    assert re.search(r"\d\d:\d\d", plain)
    assert "What became of every input" in plain
    assert str(tmp_path / "out") in plain
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h"), "the cursor stays hidden"


def test_a_terminal_breaks_the_announcement_between_words(place, tmp_path):
    """On 80 columns no word of what will be rejected is broken; further lines are set in like the first."""
    rule = "least(width, height) < 64 and width between 10 and 20000 and height between 11 and 30000"
    arguments = ("run", place / "in", tmp_path / "out", "-s", "scores=[header]", "-s", f"rules={{small: '{rule}'}}")
    code, shown = _on_terminal(command(*arguments, "-w", "1"))
    assert code == 0, shown
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).replace("\r", "")
    lines = plain[plain.index("rejects, in this order:") :].splitlines()[1:3]
    assert all(line.startswith("  ") and len(line.rstrip()) <= 80 for line in lines), plain
    assert " ".join(" ".join(lines).split()).startswith("small: least(width, height) < 64 and width between 10")


def test_terminal_is_left_alone_by_an_early_error(place, tmp_path):
    """An error before the work begins leaves the cursor visible, and nothing of a progress bar."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    code, shown = _on_terminal(command("run", place / "in", tmp_path / "out", "-r", place / "recipe.yaml"))
    assert code == 4
    assert "\x1b[?25l" not in shown
    assert "score" not in shown


def test_log_gets_plain_lines(place, tmp_path):
    """Without a terminal, stderr gets plain lines and stdout the table, and neither an escape sequence."""
    done = process("run", place / "in", tmp_path / "out", "-r", place / "recipe.yaml", "-w", "1")
    assert done.returncode == 0
    assert "\x1b" not in done.stderr + done.stdout
    assert "\r" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("score: ")]
    assert len(said) == 1
    assert re.fullmatch(
        r"score: 13 images in 00:\d\d, [\d,]+ images/s; so far kept 0, rejected 12 \(small 12\), quarantined 1", said[0]
    )
    assert "export: 0 samples" in done.stderr
    assert "rejected: small" in done.stdout


def test_json_is_the_only_thing_on_stdout(place, tmp_path):
    """`--json` prints one JSON document with counts that add up, and nothing else, on either stream."""
    done = process("run", place / "in", tmp_path / "out", "-r", place / "recipe.yaml", "-w", "1", "--json")
    assert done.returncode == 0
    facts = json.loads(done.stdout)
    assert done.stderr == ""
    assert facts["inputs"] == 13 == facts["kept"] + facts["rejected"] + facts["duplicates"] + facts["quarantined"]
    assert facts["output"] == str(tmp_path / "out")
    assert facts["funnel"]["rejected"] == {"small": 12}
    assert set(facts["seconds"]) == {"score", "decide", "export"}


def test_nothing_kept_is_a_whole_data_set(place, tmp_path):
    """A run that keeps nothing ends well, with a manifest and without a shard."""
    assert imagecurator("run", place / "in", tmp_path / "out", "-r", place / "recipe.yaml").returncode == 0
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["files"] == []
    assert not list((tmp_path / "out").glob("0*"))


def test_default_recipe_is_announced(place, tmp_path):
    """Without a recipe, the run says what it will reject and why before it begins; with one, what that says."""
    cheap = ["-s", "scores=[header]", "-s", "rules.nsfw=bytes < 0", "-s", "rules.wide=aspect > 9"]
    said = imagecurator("run", place / "in", tmp_path / "out", *cheap).stderr
    assert "The default recipe with your changes rejects, in this order:" in said
    assert "small: least(width, height) < 64  (" in said  # --set on one rule leaves the others
    assert "nsfw: bytes < 0\n" in said  # a changed rule does not bear the default's reason
    assert "wide: aspect > 9" in said
    assert "exact copies" in said
    said = imagecurator("run", place / "in", tmp_path / "own", "-r", place / "recipe.yaml").stderr
    assert "Your recipe rejects" in said
    assert "small: least(width, height) < 73" in said


def test_a_mistake_is_told_before_what_will_be_done(place, tmp_path):
    """Where nothing can be done, one sentence stands alone."""
    said = imagecurator("run", tmp_path / "none", tmp_path / "out").stderr
    assert said.count("\n") == 1
    assert "rejects" not in said


def test_undecided_rules_are_named(place, tmp_path):
    """A rule that came out NULL does not reject, and the summary says for how many images."""
    (tmp_path / "recipe.yaml").write_text("scores: [header]\nrules: {wordless: length(caption) < 3}\n")
    done = imagecurator("run", place / "in", tmp_path / "out", "-r", tmp_path / "recipe.yaml")
    assert "rule wordless has no value (NULL) for 12 images, which it does not reject" in done.stdout


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self):
        """It begins."""
        self.seconds = 0.0

    def __call__(self):
        """What it shows."""
        return self.seconds


@pytest.fixture
def plain(capsys):
    """A display for a log, its clock, and what takes what it said."""
    clock = Clock()
    return PlainDisplay(lambda: None, Words(), clock), clock, lambda: capsys.readouterr().err


def test_what_is_not_known_yet_is_no_zero(plain):
    """Verdicts come with the end of a partition; before the first, neither they nor a share are made up."""
    display, clock, said = plain
    display.told(ev.Planned(2, 1_000, 0))
    clock.seconds = 10
    display.told(ev.Read(125))
    assert said() == "score: 125 images in 00:10, 12 images/s; none of 2 partitions is finished yet\n"
    display.told(ev.Scored(500, {"keep": 100, "reject": 20, "quarantine": 5}, {"small": 15, "dark": 5}))
    display.told(ev.Pulse(2, 1_500_000_000))
    display.told(ev.StagesTook({"nsfw": 6.0, "header": 0.001, "read": 2.0}))
    clock.seconds = 20
    display.told(ev.Read(25))
    assert said() == (
        "score: 150 images in 00:20, 8 images/s; so far kept 100, rejected 20 (small 15, dark 5), quarantined 5 "
        "(of 125 in finished partitions); 60% of the input done, about 7 s left; 2 workers, 1.5 GB; "
        "nsfw 75%, read 25%\n"
    )


def test_the_end_is_not_told_before_it_is_there(plain):
    """Where images in the first partition were larger than the others, an estimate passes the end, and is not shown."""
    display, clock, said = plain
    display.told(ev.Planned(2, 1_000, 0))
    display.told(ev.Scored(700, {"keep": 10}))
    clock.seconds = 10
    display.told(ev.Read(40))
    assert "99% of the input done" in said()
    display.told(ev.Scored(300, {"keep": 40}))
    clock.seconds = 20
    display.told(ev.Read(0))
    assert "100% of the input done" in said()


def test_a_log_gets_few_lines_and_none_twice(plain):
    """A line every ten seconds, after ten minutes one a minute; what was said a moment ago is not said again."""
    display, clock, said = plain
    display.told(ev.Planned(1, 1_000, 0))
    display.told(ev.Read(10))
    for _ in range(3_600):
        clock.seconds += 1
        display.told(ev.Pulse(1, 10))
    lines = said().splitlines()
    assert len(lines) == len(set(lines)) == 59 + 50
    display.told(ev.Scored(1_000, {"keep": 10}))
    display.told(ev.Deciding())
    display.told(ev.Exporting(10))
    display.close()
    assert [line.partition(":")[0] for line in said().splitlines()] == ["score", "export"]


def test_a_scoring_that_nothing_follows_says_how_it_ended(plain):
    """`score` is done when its partitions are, and its last line has all of them."""
    display, clock, said = plain
    display.told(ev.Planned(1, 1_000, 0))
    clock.seconds = 1
    display.told(ev.Read(10))
    display.told(ev.Scored(1_000, {"keep": 10}))
    display.close()
    assert said() == "score: 10 images in 00:01, 10 images/s; so far kept 10, rejected 0, quarantined 0\n"


def test_what_happens_to_processes_is_said_at_once(plain):
    """A worker or models that died, and what is searched and written, stand in lines of their own."""
    display, clock, said = plain
    display.told(ev.Planned(3, 1_000, 2))
    display.told(ev.WorkerDied("worker-0", "was killed by SIGSEGV", "a/\x1b[31mb.jpg", "worker-2"))
    display.told(ev.ModelsDied("was killed by SIGKILL"))
    display.told(ev.ClusterSilent(10.4))
    display.told(ev.Searching("copies", 100))
    clock.seconds = 30
    display.told(ev.Searched(75))
    display.told(ev.Exporting(8))
    clock.seconds = 40
    display.told(ev.Written(2))
    assert said().splitlines() == [
        "score: 2 of 3 partitions are there already",
        r"worker-0 was killed by SIGSEGV at a/\x1b[31mb.jpg; worker-2 goes on in its place",
        "the process that runs the models was killed by SIGKILL, and was started again",
        (
            "the Ray cluster did not answer for 10 s; if its head is gone, Ray ends this command within about a "
            "minute: give it again then"
        ),
        "pairs: looking for copies among 100 different images",
        "pairs: 75 of 100 looked for, about 10 s left",
        "export: 8 samples",
        "export: 2 of 8, about 30 s left",
    ]


@pytest.mark.parametrize("columns", [100, 80, 60, 40, 24])
def test_a_narrow_terminal_is_not_overrun(columns, monkeypatch):
    """Whatever the width, no line is longer, and speed, verdicts, memory, stages and the time left are there."""
    monkeypatch.setenv("COLUMNS", str(columns))
    display = LiveDisplay(lambda: None, Words())
    terminal = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system=None)
    display.bars = Bars(display.figures, display.time_left, terminal)
    for event in (
        ev.Planned(2, 1_000, 1),
        ev.Read(125),
        ev.Scored(500, {"keep": 100, "reject": 20, "quarantine": 5}, {"small": 20}),
        ev.Pulse(2, 1_500_000_000),
        ev.StagesTook({"nsfw": 6.0, "read": 2.0}),
    ):
        display.told(event)
    with terminal.capture() as captured:
        terminal.print(display.bars.get_renderable())
    display.close()
    lines = [line for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", captured.get()).splitlines() if line]
    assert max(map(len, lines)) <= columns
    shown = " ".join(" ".join(lines).split())
    assert "score" in lines[0]
    assert "50%" in lines[0]
    for part in ("125 images", "2 workers", "1.5 GB", "rejected 20 (small 20)", "quarantined 5", "nsfw 75%", "left"):
        assert part in shown
