"""What a run shows: on a terminal, in a log, to a machine."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import pytest
from tests.cli.processes import CHEAP, command, imagecurator, pictures, process

from nemo_curator.cli import display as showing


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
    assert re.search(r"13 images, [\d,]+ images/s; so far kept 0, rejected 12, quarantined 1", plain)
    assert "score" in plain
    assert "100%" in plain
    assert re.search(r"\d\d:\d\d", plain)
    assert "What became of every input" in plain
    assert str(tmp_path / "out") in plain
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h"), "the cursor stays hidden"


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
    assert re.search(
        r"^score: 13 images, [\d,]+ images/s; so far kept 0, rejected 12, quarantined 1$", done.stderr, re.MULTILINE
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


def plain_display(monkeypatch, capsys):
    """A display for a log that says something at every image, and what takes what it said."""
    monkeypatch.setattr(showing, "_PLAIN_SECONDS", 0.0)
    watcher = showing.display(quiet=False)
    return watcher, lambda: re.sub(r"[\d,]+ images/s", "so many images/s", capsys.readouterr().err)


def test_what_is_not_known_yet_is_no_zero(monkeypatch, capsys):
    """Verdicts come with the end of a partition; before the first, neither they nor a share are made up."""
    watcher, said = plain_display(monkeypatch, capsys)
    watcher.planned(2, 1_000, 0)
    watcher.read(125)
    assert said() == "score: 125 images, so many images/s; none of 2 partitions is finished yet\n"
    watcher.scored({"keep": 100, "reject": 20, "quarantine": 5}, 500)
    watcher.read(25)
    assert said() == (
        "score: 150 images, so many images/s; so far kept 100, rejected 20, quarantined 5 (of 125 in finished "
        "partitions), 60% of the input done\n"
    )


def test_the_end_is_not_told_before_it_is_there(monkeypatch, capsys):
    """Where images in the first partition were larger than the others, an estimate passes the end, and is not shown."""
    watcher, said = plain_display(monkeypatch, capsys)
    watcher.planned(2, 1_000, 0)
    watcher.scored({"keep": 10}, 700)
    watcher.read(40)
    assert "99% of the input done" in said()
    watcher.scored({"keep": 40}, 300)
    watcher.read(0)
    assert "100% of the input done" in said()
