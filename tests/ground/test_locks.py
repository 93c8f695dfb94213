"""The lock files: complete, pinned by hash, and tied to no index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ["base.txt", "dev.txt"]
LEFT_OUT = ["gcs", "lance", "ray", "text", "torch"]  # extras
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def blocks(name):
    """One text for each requirement: the line that names it, and its hashes."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return ["\n".join(block) for block in split_before(lines, lambda line: not line.startswith(" "))]


def split_before(lines, starts):
    """Lists of lines, each beginning with one that starts something."""
    found = []
    for line in lines:
        if starts(line):
            found.append([])
        found[-1].append(line)
    return found


def pins(name):
    """The requirements of a lock, with their conditions."""
    return [Requirement(block.splitlines()[0].rstrip("\\ ")) for block in blocks(name)]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_has_one_version_and_hashes(name):
    """The hash mode of pip refuses anything less."""
    for block in blocks(name):
        assert re.match(r"[a-z0-9._-]+==\S+", block), block.splitlines()[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block.splitlines()[0]


@pytest.mark.parametrize("name", LOCKS)
def test_no_index_is_named(name):
    """A lock works with any mirror: it names no index, no address and no folder."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|-e)\b", text, re.MULTILINE)
    assert " @ " not in text


@pytest.mark.parametrize("name", LOCKS)
def test_no_torch(name):
    """Nothing that we depend on brings torch, Ray, or their companions into an environment."""
    heavy = {"torch", "torchvision", "transformers", "ray", "triton", "tensorflow", "jax", "nemo-curator"}
    assert not heavy & {canonicalize_name(pin.name) for pin in pins(name)}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("name", LOCKS)
def test_each_python_gets_at_most_one_version_of_a_package(name, python):
    """One lock serves every supported Python: the conditions of two pins of a package exclude each other."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    chosen = [pin.name for pin in pins(name) if pin.marker is None or pin.marker.evaluate(environment)]
    assert len(chosen) == len(set(chosen))


def locked(name, requirement):
    """Whether a lock has a version of what is required."""
    wanted = Requirement(requirement)
    versions = [pin for pin in pins(name) if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
    return bool(versions) and all(
        wanted.specifier.contains(next(iter(pin.specifier)).version, prereleases=True) for pin in versions
    )


@pytest.mark.parametrize("name", LOCKS)
def test_lock_satisfies_the_dependencies(name):
    """A dependency added to pyproject.toml is in the locks: run `make lock`."""
    assert [each for each in PROJECT["project"]["dependencies"] if not locked(name, each)] == []


def test_development_lock_has_every_extra_and_tool():
    """`make setup` installs all extras but some large ones, all tools, and what builds unisolated."""
    groups = PROJECT["project"]["optional-dependencies"]
    extras = [each for name, group in groups.items() if name not in LEFT_OUT for each in group]
    wanted = [*extras, *PROJECT["dependency-groups"]["dev"], *PROJECT["build-system"]["requires"]]
    ours = PROJECT["project"]["name"]
    assert [each for each in wanted if Requirement(each).name != ours and not locked("dev.txt", each)] == []


@pytest.mark.parametrize("document", ["requirements/README.md", "Makefile"])
def test_extras_that_are_left_out_are_named(document):
    """The page on the locks and the command that makes them say the same extras."""
    *names, last = (f"`{name}`" for name in LEFT_OUT)
    assert f"{', '.join(names)} and {last}" in (ROOT / document).read_text(encoding="utf-8")


def test_base_lock_agrees_with_the_development_lock():
    """What is tested is what the base lock installs: the same versions."""
    base, dev = ({f"{pin.name}{pin.specifier}" for pin in pins(name)} for name in LOCKS)
    assert base <= dev
