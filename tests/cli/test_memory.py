"""`--memory`: told in the plan, refused in one sentence, and kept out of the results."""

from __future__ import annotations

import json

import pytest
from tests.cli.processes import imagecurator, process, sentence


@pytest.mark.parametrize("words", [("score", "in", "new"), ("run", "in", "new"), ("embed", "in", "new")])
def test_too_little_is_one_sentence(place, monkeypatch, words):
    """With the least that is enough, before anything is written, in a dry run too."""
    monkeypatch.chdir(place)
    for more in ((), ("--dry-run",)):
        done = imagecurator(*words, "--memory", "300MB", *more)
        assert "300 MB of memory are too little for this run, which needs 1," in sentence(done, 2)
        assert "--memory 1." in done.stderr
    assert not (place / "new").exists()


@pytest.mark.parametrize(
    ("size", "said"), [("much", "'much' is no size"), ("0", "'0' is no memory at all"), ("1e9", "'1e9' is no size")]
)
def test_what_is_no_size_is_wrong_usage(place, monkeypatch, size, said):
    """As for every option."""
    monkeypatch.chdir(place)
    done = imagecurator("score", "in", "new", "--memory", size)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_plan_says_who_takes_what(place, monkeypatch):
    """Workers, threads, and amounts that add up to no more than the budget; for machines in bytes."""
    monkeypatch.chdir(place)
    done = process("score", "in", "new", "-r", "recipe.yaml", "--memory", "2GB", "--workers", "1", "--dry-run")
    assert "on 1 worker of one thread\n" in done.stdout
    assert "memory: at most 1." in done.stdout
    assert "of 2.0 GB (command 200.0 MB, each worker 1." in done.stdout
    asked = ("score", "in", "new", "-r", "recipe.yaml", "--memory", "2GB", "--workers", "1", "--dry-run", "--json")
    facts = json.loads(process(*asked).stdout)["means"]
    memory = facts["memory"]
    assert (facts["workers"], memory["budget"]) == (1, 2_000_000_000)
    assert memory["command"] + memory["inference"] + memory["each_worker"] + memory["turns"] == memory["most"]
    assert memory["most"] <= memory["budget"]


def test_a_recipe_alone_is_planned_too():
    """`plan` says what a budget leads to, and refuses one that is too little, without any input."""
    done = imagecurator("plan", "--memory", "2GB", "--workers", "8")
    assert "on 1 worker of one thread (there is memory for no more of 8)" in done.stdout
    assert "memory: at most" in done.stdout
    done = imagecurator("plan", "--memory", "2GB", "--json")
    assert json.loads(done.stdout)["means"]["memory"]["budget"] == 2_000_000_000
    assert "too little for this run" in sentence(imagecurator("plan", "--memory", "1GB", "-s", "lazy=true"), 2)


def test_where_nothing_is_to_do_nothing_is_planned(place, monkeypatch):
    """And nothing refused."""
    monkeypatch.chdir(place)
    done = imagecurator("score", "in", "run", "-r", "recipe.yaml", "--dry-run", "--json", "--memory", "1MB")
    assert json.loads(done.stdout)["means"] is None


def test_a_run_within_a_budget(place, monkeypatch):
    """To the end, with the results of one without; the budget stands nowhere in them."""
    monkeypatch.chdir(place)
    for name, more in (("plain", ()), ("tight", ("--memory", "1.7GB"))):
        done = process("run", "in", name, "-r", "recipe.yaml", *more, "--json")
        assert done.returncode == 0, done.stderr
    found = [
        {path.name: path.read_bytes() for path in (place / name).rglob("*") if path.suffix in {".parquet", ".tar"}}
        for name in ("plain", "tight")
    ]
    assert found[0] == found[1]
    assert (place / "plain/manifest.json").read_bytes() == (place / "tight/manifest.json").read_bytes()
