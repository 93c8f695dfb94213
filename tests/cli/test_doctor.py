"""`imagecurator doctor`, `--help` and `--version`."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from tests.cli.processes import imagecurator, process

from nemo_curator import __version__
from nemo_curator.cli import doctor
from nemo_curator.models import registry


def test_json_findings():
    """`doctor --json` is one JSON document: versions, devices, every model with its licence, and no problem here."""
    done = process("doctor", "--json")
    assert done.returncode == 0, done.stdout
    facts = json.loads(done.stdout)
    assert facts["imagecurator"] == __version__
    assert facts["problems"] == []
    assert facts["packages"]["duckdb"] == version("duckdb")
    assert facts["devices"]["cores"] >= 1
    assert facts["devices"]["memory_gb"] > 0
    assert set(facts["models"]) == {spec.name for spec in registry.specs()}
    assert all(model["licence"] for model in facts["models"].values())
    assert facts["models"]["open-nsfw"]["ok"]
    assert not facts["models"]["clip-vit-large-patch14"]["ok"]
    assert "model_dir" in facts["models"]["clip-vit-large-patch14"]["how_to_get"]


def test_findings_for_people():
    """`doctor` says the verdict first, the rest in words, which systems are tested, and that it is not NVIDIA's."""
    done = imagecurator("doctor")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert done.stdout.splitlines()[1] == "Everything that a default run needs is here."
    assert "tested on Linux x86-64; macOS and arm64 as far as their packages have wheels" in text
    assert "independent of NVIDIA" in text
    here = [spec.name for spec in registry.specs() if registry.availability(spec).ok]
    assert f"Models: {len(here)} of {len(registry.specs())} are here ({', '.join(here)})." in text
    assert "`imagecurator models` lists all" in text
    assert len(done.stdout.splitlines()) < 25


def test_every_extra_is_told():
    """Each extra that brings a package is told as installed, or as one to install with the command for it."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name for name, packages in project["optional-dependencies"].items() if packages and name != "all"}
    found = json.loads(imagecurator("doctor", "--json").stdout)["extras"]
    assert set(found) == extras
    absent = [name for name, there in found.items() if not there]
    said = imagecurator("doctor").stdout
    if absent:
        assert f"Not installed: {', '.join(absent)}. To have one: pip install 'imagecurator[{absent[0]}]'" in said
    assert all(name in said for name in found)


@pytest.mark.parametrize("arguments", [("doctor",), ("doctor", "--json")])
def test_missing_package_is_a_problem(monkeypatch, arguments):
    """A package that a default run imports and that is not there is named with the command that installs it: code 6."""

    def without_simplejpeg(name):
        if name == "simplejpeg":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor, "version", without_simplejpeg)
    done = imagecurator(*arguments)
    assert done.returncode == 6
    assert "simplejpeg is not installed; run: pip install imagecurator" in " ".join(done.stdout.split())


def test_other_owner_of_the_import_name(monkeypatch):
    """An installed nemo-curator, which claims the same import name, is a problem that names both and the way out."""
    monkeypatch.setattr(doctor, "distribution", lambda name: name)
    done = imagecurator("doctor", "--json")
    assert done.returncode == 6
    (problem,) = json.loads(done.stdout)["problems"]
    assert "nemo-curator" in problem
    assert "not affiliated" in problem
    assert "pip uninstall" in problem


def test_version():
    """`--version` says the version and nothing else."""
    done = process("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"imagecurator {__version__}\n", "")


@pytest.mark.parametrize("name", ["run", "init", "doctor", "demo"])
def test_help(name):
    """Every command is listed in `--help`, and has a help of its own that says how it is used."""
    assert name in imagecurator("--help").stdout
    done = imagecurator(name, "--help")
    assert done.returncode == 0
    assert f"{name} [OPTIONS]" in " ".join(done.stdout.split())


def test_no_command_shows_the_help():
    """Without a command the help is shown, with the code of wrong usage."""
    done = imagecurator()
    assert done.returncode == 2
    assert "doctor" in done.stdout + done.stderr
