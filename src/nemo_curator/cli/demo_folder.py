"""The folder of the demo: what it owns in there, and that it owns everything that is there."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from nemo_curator import storage
from nemo_curator.cli.demo_data import demo_files
from nemo_curator.errors import OutputExistsError

INPUT, OUTPUT, RECIPE = "input", "output", "recipe.yaml"

_RESULT = re.compile(rf"{OUTPUT}/(run/.+|manifest\.json|[0-9]{{5,}}\.(tar|parquet))", re.DOTALL)
_ELSEWHERE = "choose another folder: imagecurator demo FOLDER"


def recipe_text() -> str:
    """The demo's recipe, as it is written into the folder."""
    return files("nemo_curator.cli").joinpath("demo_recipe.yaml").read_text(encoding="utf-8")


def prepare(folder: Path) -> None:
    """Write the demo's input and recipe into a folder, which is made; an earlier demo there is renewed.

    Raises:
        OutputExistsError: The folder is a file, or holds anything that a demo did not put there, or a changed recipe.
        MissingExtraError: The packages that ship the photos are not installed.
        StorageError: A file cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError("this is a file, and the demo needs a folder", where=str(folder), act=_ELSEWHERE)
    made = {f"{INPUT}/{name}": data for name, data in demo_files().items()}
    made[RECIPE] = recipe_text().encode()
    _refuse_foreign(folder, made)
    for name, data in made.items():
        with storage.write_atomic(str(folder / name)) as file:
            file.write(data)


def _refuse_foreign(folder: Path, made: dict[str, bytes]) -> None:
    """Nothing of a user's is overwritten, and nothing foreign is curated as if it were the demo's."""
    if not folder.is_dir():
        return
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        ours = name in made or _RESULT.fullmatch(name) or storage.is_temporary(name)
        if not ours or path.is_symlink():
            raise OutputExistsError(
                f"this holds files that the demo did not put there, such as {name!r}",
                where=str(folder),
                act=_ELSEWHERE,
            )
    recipe = folder / RECIPE
    if recipe.is_file() and recipe.read_bytes() != made[RECIPE]:
        raise OutputExistsError(
            "this recipe is not the demo's own any more, and the demo would overwrite it",
            where=str(recipe),
            act=f"run it with: imagecurator run {folder / INPUT} OUTPUT --recipe {recipe}; or remove it",
        )
