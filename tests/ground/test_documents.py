"""The documentation agrees with the code, and builds without a warning."""

import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nemo_curator import errors

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.CuratorError) and kind.__module__ == errors.__name__
]
FATAL = [kind for kind in ERRORS if not issubclass(kind, errors.SampleError)]
OF_ONE_IMAGE = [kind for kind in ERRORS if issubclass(kind, errors.SampleError)]


def rows(page):
    """The cells of every table row of a page."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def named(cell):
    """The class names in a cell."""
    return re.findall(r"`(\w+)`", cell)


@pytest.mark.parametrize("kind", FATAL, ids=lambda kind: kind.__name__)
def test_exit_code_is_documented(kind):
    """The row that names the error begins with its exit code."""
    codes = [
        int(cells[0])
        for cells in rows("reference/exit-codes.md")
        if cells[0].isdigit() and kind.__name__ in named(cells[2])
    ]
    assert codes == [kind.exit_code]


@pytest.mark.parametrize("kind", OF_ONE_IMAGE, ids=lambda kind: kind.__name__)
def test_record_code_is_documented(kind):
    """The row that names an image's error begins with the code that its record gets."""
    found = [cells[0].strip("`") for cells in rows("reference/exit-codes.md") if f"`{kind.__name__}`" in cells[1:2]]
    assert found == [kind.code]


def test_no_error_is_documented_that_does_not_exist():
    """Every class that the page names is there."""
    words = re.findall(r"`(\w+Error)`", (DOCS / "reference/exit-codes.md").read_text(encoding="utf-8"))
    builtin = {"FileNotFoundError", "ImportError"}
    assert set(words) - builtin <= {kind.__name__ for kind in ERRORS}


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_error_is_drawn_in_the_tree(kind):
    """The tree at the top of errors.py shows every error."""
    assert re.search(rf"\b{kind.__name__}\b", errors.__doc__)


def test_index_of_decisions_is_complete():
    """Each decision has one row in the index, numbers have no gap, and every page says its status."""
    pages = sorted(path.name for path in (DOCS / "adr").glob("[0-9]*.md"))
    assert [page[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    index = (DOCS / "adr/index.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[\d{4}\]\((.+?)\)", index, re.MULTILINE) == pages
    for page in pages:
        text = (DOCS / "adr" / page).read_text(encoding="utf-8")
        assert text.startswith(f"# {page[:4]}: ")
        assert re.search(r"^Status: (accepted|replaced by .+)$", text, re.MULTILINE), page


def test_every_promise_says_how_it_is_tested():
    """Seven promises, each with its tests."""
    text = (DOCS / "explanation/promises.md").read_text(encoding="utf-8")
    sections = text.split("\n## ")[1:]
    assert [section[:2] for section in sections] == [f"{number}." for number in range(1, 8)]
    assert all("*How it is tested.*" in section for section in sections)


def test_house_shows_every_floor_of_the_contract():
    """The drawing and the import-linter contract have the same rooms in the same order."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = config["tool"]["importlinter"]["contracts"][0]["layers"]
    drawing = re.findall(r"^   │(.+)│ ", (DOCS / "explanation/house.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [[room.strip() for room in floor.split("│")] for floor in drawing] == [
        [room.strip() for room in floor.split("|")] for floor in contract
    ]


def test_links_of_the_root_documents_lead_somewhere():
    """CONTRIBUTING, SECURITY and their neighbours link to files that exist (mkdocs checks those in docs/)."""
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\((?!\w+:|#)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{document.name}: {target}"


def test_site_builds_without_a_warning_and_asks_no_other_host(tmp_path):
    """`mkdocs build --strict` passes, and no page loads a font, a script or an image from elsewhere."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for page in (tmp_path / "site").rglob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=[\"']?(?:\w+:)?//", page.read_text(encoding="utf-8")
        )
        assert loaded == [], page.name


def test_every_package_that_is_installed_is_explained():
    """Of the base install and of every extra: the page on libraries has it in the first or second column."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = {re.match(r"[\w-]+", one)[0] for some in [project["dependencies"], *extras.values()] for one in some}
    explained = {name.strip() for cells in rows("explanation/libraries.md") for name in cells[1].split(",")}
    assert wanted - {"imagecurator"} <= explained
    assert {name for name in extras if extras[name] and name != "all"} <= {
        name for cells in rows("explanation/libraries.md") for name in named(cells[0])
    }
