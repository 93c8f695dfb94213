"""What commands say of what they take, and of what they were given that cannot be."""

from __future__ import annotations

import pytest
from tests.cli.processes import imagecurator

COMMANDS = (
    *("run", "plan", "score", "decide", "export", "report", "view", "status", "explain", "duplicates", "leaks"),
    *("search", "decontaminate", "embed", "fetch", "verify", "remove", "diff", "init", "doctor", "demo", "models"),
)


def said(*arguments):
    """What a wrong command line is answered with, as one line without the frame around it."""
    done = imagecurator(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(("command", "last"), [("run", "OUTPUT"), ("score", "RUN"), ("embed", "OUTPUT")])
def test_a_missing_output_is_told_as_that(command, last):
    """Where of INPUT and OUTPUT one is given, the output is what is missing; the line to write is shown."""
    answer = said(command, "photos")
    assert f"Missing argument '{last}'." in answer
    assert f"{command} photos {last}" in answer
    assert "INPUT...'" not in answer
    assert f"{command} photos {last}" in said(command, "photos", "--workers", "3")


def test_without_any_argument_the_input_is_missing():
    """Where nothing is given, the first argument is what is missing."""
    assert "Missing argument 'INPUT...'" in said("run", "--workers", "2")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("export", "a", "b", "--format", "json"), "'json' is none of webdataset, folder, parquet"),
        (("run", "a", "b", "--executor", "moon"), "'moon' is none of local, ray."),
        (("run", "a", "b", "--copies", "many"), "'many' is no whole number. --copies BITS: Remove edited copies"),
        (("run", "a", "b", "--copies", "99"), "99 is more than 63."),
        (("run", "a", "b", "--copies", "-1"), "-1 is less than 0."),
        (("run", "a", "b", "--similar", "lots"), "'lots' is no number."),
        (("run", "a", "b", "--memory", "lots"), "'lots' is no size"),
    ],
)
def test_a_wrong_value_is_told_in_our_words(arguments, words):
    """A value that cannot be is told with the option, what it should be and what it is for; no library speaks."""
    answer = said(*arguments)
    assert words in answer
    assert f"'{arguments[3]}'" in answer
    for strange in ("Value error", "Input should", "unable to parse"):
        assert strange not in answer


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_no_types(command, monkeypatch):
    """Nothing stands behind a flag, words behind other options; arguments are told as the documentation writes them."""
    monkeypatch.setenv("COLUMNS", "80")
    done = imagecurator(command, "--help")
    assert done.returncode == 0
    assert "<" not in done.stdout.replace("<=", "")
    assert "{" not in done.stdout


def test_choices_are_told_whole(monkeypatch):
    """The values that an option may have are not broken in the middle of a word."""
    monkeypatch.setenv("COLUMNS", "80")
    text = " ".join(imagecurator("export", "--help").stdout.replace("│", " ").split())
    assert "One of webdataset, folder, parquet" in text
    assert "One of jpeg, png, webp, avif." in text


def test_commands_stand_in_groups(monkeypatch):
    """`--help` lists every command once, in groups; those of every day come first."""
    monkeypatch.setenv("COLUMNS", "80")
    text = imagecurator("--help").stdout
    lines = [line.strip("│ ").split() for line in text.splitlines() if line.startswith("│ ") and line[2] != " "]
    listed = [words[0] for words in lines if words[0] in COMMANDS]
    assert sorted(listed) == sorted(COMMANDS)
    assert listed[0] == "run"
    panels = [line.split("─")[1].strip() for line in text.splitlines() if line.startswith("╭")]
    assert panels[:2] == ["Options", "Every day"]
    assert {"Evaluation sets", "Look into a run"} <= set(panels)
