"""`imagecurator init`: the recipe to start from."""

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from nemo_curator.cli.app import app
from nemo_curator.cli.recipe_template import recipe_template
from nemo_curator.errors import OutputExistsError
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.stages.catalogue import score_names


def invoke(*arguments):
    """What the command does."""
    return CliRunner().invoke(app, ["init", *map(str, arguments)])


def keys_of(model, prefix=()):
    """Path of every key that a section has, with its description."""
    for name, field in model.model_fields.items():
        yield (*prefix, name), field.description
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys_of(field.annotation, (*prefix, name))


def test_what_it_writes_is_the_default_recipe(tmp_path):
    """Parsing the file gives exactly the defaults: whoever runs it unchanged gets what no recipe gives."""
    path = tmp_path / "recipe.yaml"
    result = invoke(path)
    assert result.exit_code == 0
    assert str(path) in result.stdout
    assert parse_recipe(path.read_text(encoding="utf-8")).model_dump() == Recipe().model_dump()


@pytest.mark.parametrize(
    ("path", "description"),
    list(keys_of(Recipe)),
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_every_key_is_there_with_its_comment(path, description):
    """The line of each key follows a comment with the words of its description."""
    lines = recipe_template().splitlines()
    at = -1
    for depth, key in enumerate(path):
        at = next(n for n, line in enumerate(lines) if n > at and line.startswith(f"{'  ' * depth}{key}:"))
    comment = []
    while lines[at - 1].strip().startswith("#"):
        at -= 1
        comment.insert(0, lines[at].strip().removeprefix("# "))
    assert description
    assert " ".join(comment).startswith(description)


def test_scores_are_all_that_are_known():
    """The names are all that there are, whether or not what they need is installed, and it says no more than that."""
    text = " ".join(line.removeprefix("# ") for line in recipe_template().split("\nscores:")[0].splitlines())
    assert text.endswith(f"Known: {', '.join(score_names())}.")


def test_lines_are_short_enough_to_read():
    """Nothing runs out of a usual window."""
    assert max(map(len, recipe_template().splitlines())) <= 100


def test_an_existing_file_is_not_overwritten(tmp_path):
    """One sentence, and the file stays as it was."""
    path = tmp_path / "recipe.yaml"
    path.write_text("scores: [header]\n")
    result = invoke(path)
    assert result.exit_code == OutputExistsError.exit_code
    assert "this exists already" in result.stderr
    assert path.read_text() == "scores: [header]\n"


def test_a_link_to_nothing_is_not_written_through(tmp_path):
    """A dangling link is somebody's too."""
    path = tmp_path / "recipe.yaml"
    path.symlink_to(tmp_path / "elsewhere.yaml")
    assert invoke(path).exit_code == OutputExistsError.exit_code
    assert not (tmp_path / "elsewhere.yaml").exists()


def test_stdout_writes_no_file(tmp_path, monkeypatch):
    """`--stdout` prints the same text."""
    monkeypatch.chdir(tmp_path)
    result = invoke("--stdout")
    assert result.exit_code == 0
    assert result.stdout == recipe_template()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "written"), [("my.yaml", "my.yaml"), ("two words.yaml", "'two words.yaml'"), ("a\nb", "'a\\nb'")]
)
def test_the_file_is_told_by_its_own_name(tmp_path, name, written):
    """How to use it names the file that was written, as a shell takes it; no name ends the comment."""
    path = tmp_path / name
    assert invoke(path).exit_code == 0
    lines = path.read_text().splitlines()
    assert f"# Use it with: imagecurator run INPUT OUTPUT --recipe {written}" in lines
    assert parse_recipe(path.read_text()).model_dump() == Recipe().model_dump()


def test_the_default_name(tmp_path, monkeypatch):
    """Without a path it is recipe.yaml, here."""
    monkeypatch.chdir(tmp_path)
    assert invoke().exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]
