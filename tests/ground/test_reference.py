"""The reference documents everything that there is: commands, options, recipe keys, columns, scores, codes."""

import dataclasses
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from tests.ground.test_quarantine_page import all_codes
from tools.score_pages.facts import classes, columns_of
from typer.testing import CliRunner

from nemo_curator.cli.app import app
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.runs.deciding import parse_rule
from nemo_curator.runs.parts import ERROR
from nemo_curator.stages.image.io.rows import IDENTITY

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md")}


PLAIN = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "PATH": ""}  # wide enough not to break option names


@cache
def help_of(*words):
    """What the command says with --help, inside this process."""
    done = CliRunner().invoke(app, [*words, "--help"], env=PLAIN, prog_name="python -m nemo_curator.cli")
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("words", [[], ["run"]])
def test_help_is_what_a_process_says(words):
    """What the tests below read is what a real process says."""
    arguments = [sys.executable, "-m", "nemo_curator.cli", *words, "--help"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, env={**os.environ, **PLAIN})
    assert done.stdout == help_of(*words)


def commands(*above):
    """Names of all subcommands, as the program's own help lists them, each followed by those of its own."""
    found = [" ".join([*above, name]) for name in re.findall(r"^│ ([a-z]+)  ", help_of(*above), re.MULTILINE)]
    return [name for one in found for name in (one, *commands(*one.split()))]


def test_every_command_is_documented():
    """Each subcommand has a section in the page of commands, and so has each subcommand of one."""
    found = commands()
    assert {"run", "init", "doctor", "demo", "models", "models get", "models verify"} <= set(found)
    for command in found:
        assert f"## `imagecurator {command}" in PAGES["cli"], command


def test_every_option_is_documented():
    """Each long option of each subcommand stands in the page of commands; those of `models` in their own section."""
    sections = {text.partition("`")[0]: text for text in PAGES["cli"].split("## `imagecurator ")[1:]}
    for command in commands():
        options = set(re.findall(r"(--[a-z][a-z-]+)", help_of(*command.split()))) - {"--help"}
        for option in options:
            assert option in PAGES["cli"], (command, option)
        if command.startswith("models"):
            (section,) = [text for name, text in sections.items() if re.fullmatch(rf"{command}( [A-Z\[].*)?", name)]
            assert all(option in section for option in options), command


def keys(model, prefix=""):
    """Dotted names of all keys of a recipe section."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize("key", list(keys(Recipe)))
def test_every_recipe_key_is_documented(key):
    """Each recipe key has a row in the page of the recipe."""
    assert f"| `{key}` |" in PAGES["recipe"]


def test_the_documented_default_recipe_is_the_default():
    """The recipe on the page parses to what a run without a recipe uses."""
    block = re.search(r"```yaml\n(.*?)```", PAGES["recipe"], re.DOTALL)
    assert parse_recipe(block[1]).model_dump() == Recipe().model_dump()


@pytest.mark.parametrize("name", [*IDENTITY, *ERROR])
def test_every_stored_column_is_documented(name):
    """Each identity and error column has a row, with the meaning that the code gives it."""
    meaning = (IDENTITY | ERROR)[name][1]
    assert re.search(rf"\| `{name}` \|.*\| {re.escape(meaning)} \|", PAGES["columns"])


def test_every_parameter_of_a_score_has_a_default():
    """A recipe can name any score without parameters."""
    for kind in classes().values():
        assert all(field.default is not dataclasses.MISSING for field in dataclasses.fields(kind) if field.init)


def test_every_documented_rule_is_a_rule():
    """The examples on the page of rules are accepted, on the columns that a run has."""
    block = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGES["rules"], re.DOTALL)[1])
    scores = [column.name for kind in classes().values() for column in columns_of(kind)]
    known = [*IDENTITY, *scores]
    for name, text in block["rules"].items():
        assert parse_rule(name, text, known).name == name


CALLS = {
    "between": "a between 1 and 2",
    "in": "a in (1)",
    "like": "b like 'x'",
    "ilike": "b ilike 'x'",
    "||": "b || b = 'x'",
    "case": "case when a > 1 then true else false end",
    "is null": "a is null",
    "quantile(column, q)": "a > quantile(a, 0.5)",
    "and": "a > 1 and a < 3",
    "or": "a > 1 or a < 3",
    "not": "not a > 1",
}
ARGUMENTS = dict.fromkeys(["lower", "upper", "length", "trim", "number"], "b")
ARGUMENTS |= dict.fromkeys(["starts_with", "ends_with", "contains", "regexp_matches"], "b, 'x'")
ARGUMENTS |= dict.fromkeys(["least", "greatest", "coalesce", "nullif", "pow"], "a, 2")


def test_every_documented_function_is_allowed():
    """Each function and operator word that the page of rules names can be used in a rule."""
    listed = PAGES["rules"].split("## What a rule may say")[1].split("Anything else")[0]
    words = set(re.findall(r"`([^`]+)`", listed)) - {"+ - * / %", "<", "<=", "=", "<>", "q"}
    assert {"least", "like", "quantile(column, q)"} <= words
    for word in words:
        rule = CALLS.get(word, f"{word}({ARGUMENTS.get(word, 'a')}) is not null")
        assert parse_rule("r", rule, ["a", "b"]).text == rule, word


@pytest.mark.parametrize("code", sorted(all_codes()))
def test_every_error_code_is_documented(code):
    """Each code that a record can bear has its place on the page of columns."""
    assert f"`{code}`" in PAGES["columns"].split("## Error codes of a record")[1]
