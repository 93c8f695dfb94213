"""`imagecurator view`."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.processes import command, imagecurator, live_children, sentence, tree

from nemo_curator.cli.view import _greeting, _has_display


@contextmanager
def viewing(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command while it serves, and the address that it printed."""
    process = subprocess.Popen(
        command("view", *arguments, "--no-browser"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def fetched(address: str) -> str:
    """What is at an address."""
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310  (the address that our server printed)
        return str(answer.read().decode())


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(place: Path, stop: signal.Signals) -> None:
    """One line with the address; being stopped is no failure, and leaves no process and no file behind."""
    before = tree(place)
    with viewing(place / "run") as (process, address):
        assert address.startswith("http://127.0.0.1:")
        assert "of 9 inputs kept" in fetched(address)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            fetched(address.partition("?")[0])
        process.send_signal(stop)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")
        assert live_children(process.pid) == []
    assert tree(place) == before


def test_an_output_names_its_run(place: Path) -> None:
    """What `run` wrote to may be named instead of the run directory in it."""
    (place / "output").mkdir()
    (place / "run").rename(place / "output" / "run")
    with viewing(place / "output", "--read-only") as (_, address):
        page = fetched(address)
        assert "of 9 inputs kept" in page
        assert "--read-only" in page


def test_what_cannot_be_viewed_is_told(place: Path) -> None:
    """A run without verdicts, a folder that is no run, a port that is taken or none."""
    assert "this run is not decided yet" in sentence(imagecurator("view", place / "scored"), 3)
    assert "there is no run directory" in sentence(imagecurator("view", place / "in"), 3)
    with viewing(place / "run") as (_, address):
        port = address.rpartition(":")[2].partition("/")[0]
        assert "cannot be listened on" in sentence(imagecurator("view", place / "run", "--port", port), 3)
    assert imagecurator("view", place / "run", "--port", "70000").returncode == 2


def test_a_browser_is_opened_where_somebody_can_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not without a terminal, and not on a machine that somebody reached over the network."""
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert not _has_display()
    main, other = os.openpty()
    with os.fdopen(main, "w"), os.fdopen(other, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        assert _has_display()
        monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
        assert not _has_display()


def test_a_person_is_told_what_is_served_and_how_to_end_it() -> None:
    """On a terminal it is a sentence, in which a name of a folder is shown and not obeyed; else the address alone."""
    assert (
        _greeting("c\x1b/run", "http://h:1/", to_terminal=True) == "Serving c\\x1b/run at http://h:1/; Ctrl-C ends it"
    )
    assert _greeting("cur/run", "http://h:1/", to_terminal=False) == "http://h:1/"


def test_the_browser_that_is_opened_gets_a_ticket(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others can see a browser being started with an address: that one opens the page once, and holds no token."""
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s" "$1" > {seen}.part && mv {seen}.part {seen}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    process = subprocess.Popen(
        command("view", place / "run", "--open"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        pause = threading.Event()
        while not seen.exists() and process.poll() is None:
            pause.wait(0.05)
        opened = seen.read_text()
        assert address.partition("?token=")[2] not in opened
        assert "of 9 inputs kept" in fetched(opened)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            fetched(opened)
    finally:
        process.kill()
        process.communicate()
