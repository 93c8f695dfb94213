"""What the scores of a stage depend on: the same facts in every process, others for whatever changes a score."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from nemo_curator.codecs import semantics
from nemo_curator.runs.fingerprints import changes, fingerprint
from nemo_curator.stages.catalogue import make_score_stage
from nemo_curator.stages.declarations import Needs
from nemo_curator.stages.fingerprint import plain, stage_facts, versions
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.filters.nsfw_filter import ImageNSFWFilterStage

OURS = ("header", "sharpness", "exposure", "entropy", "nsfw", "embedding")


class Mode(Enum):
    """An enumeration."""

    FAST = "fast"


@dataclass(frozen=True)
class Inner:
    """A parameter that is a dataclass."""

    edge: int = 3
    words: frozenset[str] = frozenset({"a", "b", "c"})


@dataclass
class TheirStage(BaseFilterStage):
    """A stage that is not ours, with parameters of many kinds."""

    _name: str = "theirs"
    edge: int = 3
    words: set[str] = field(default_factory=lambda: {"one", "two", "three", "four"})
    inner: Inner = Inner()
    table: dict[int, tuple[float, ...]] = field(default_factory=lambda: {2: (0.5, float("inf")), 1: ()})
    mode: Mode = Mode.FAST
    call: object = os.path.join  # noqa: PTH118 (any function)
    thing: object = field(default_factory=object)

    def score(self, images):
        """A number."""
        return np.zeros(len(images), np.float32)


class HeaderOnlyStage(TheirStage):
    """One that looks at no pixel."""

    def needs(self):
        """Nothing."""
        return Needs()


SCRIPT = """
import json, sys
sys.path.insert(0, ".")
from tests.stages.test_fingerprint import OURS, TheirStage, make_score_stage, stage_facts
print(json.dumps([stage_facts(make_score_stage(name, {})) for name in OURS] + [stage_facts(TheirStage())]))
"""


def test_equal_in_every_process():
    """Another process, with other hashes of strings and other addresses, comes to the same facts."""
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    here = [stage_facts(make_score_stage(name, {})) for name in OURS] + [stage_facts(TheirStage())]
    assert [fingerprint(one) for one in json.loads(done.stdout)] == [fingerprint(one) for one in here]


@pytest.mark.parametrize("name", OURS)
def test_facts_of_our_stages_are_plain_data(name):
    """What our stages say of themselves is JSON, names the class, and no place of this machine."""
    facts = stage_facts(make_score_stage(name, {}))
    assert json.loads(json.dumps(facts)) == facts
    assert facts["stage"].startswith("nemo_curator.stages.")
    assert str(Path.home()) not in json.dumps(facts)
    assert "code" not in facts


@pytest.mark.parametrize("name", ["nsfw", "embedding"])
def test_models_are_named_by_their_weights(name):
    """A stage with a model names it, its weights by a hash, its precision and the libraries that run it."""
    facts = stage_facts(make_score_stage(name, {}))
    assert len(facts["model"]["weights"]) == 64
    assert facts["model"]["precision"] == "fp32"
    assert {"numpy", "onnxruntime", "cpu"} <= facts["libraries"].keys()


@pytest.mark.parametrize(("parameter", "value", "counts"), [
    ("edge", 4, True), ("words", {"one"}, True), ("inner", Inner(4), True), ("mode", None, True),
    ("call", os.path.split, True), ("table", {}, True), ("model_dir", "elsewhere", True),
    ("model_inference_batch_size", 7, True),
    ("score_threshold", 0.9, False), ("verbose", True, False), ("num_gpus_per_worker", 1.0, False),
    ("_name", "theirs", False), ("thing", object(), False),
])  # fmt: skip
def test_parameters_that_count(parameter, value, counts):
    """Parameters count, but for thresholds and what has no say in a run."""
    before, after = stage_facts(TheirStage()), stage_facts(TheirStage(**{parameter: value}))
    assert (fingerprint(before) != fingerprint(after)) is counts
    assert bool(changes(before, after)) is counts


def test_places_of_our_weights_do_not_count(tmp_path):
    """Weights of ours are known by their bytes: the same file elsewhere is the same, another file is another."""
    for name, data in (("a.pth", b"one"), ("b.pth", b"one"), ("c.pth", b"two")):
        (tmp_path / name).write_bytes(data)
    first, moved, other = (
        stage_facts(ImageNSFWFilterStage(weights_path=str(tmp_path / name))) for name in ("a.pth", "b.pth", "c.pth")
    )
    assert first == moved
    assert [change.partition(":")[0] for change in changes(first, other)] == ["model.weights"]


def test_decoding_counts_for_who_looks_at_pixels(monkeypatch):
    """A change of decoding touches the stages that look at pixels, those that declare nothing too, and no others."""
    stages = {name: make_score_stage(name, {}) for name in OURS} | {"no pixel": HeaderOnlyStage(), "any": TheirStage()}
    before = {name: stage_facts(stage) for name, stage in stages.items()}
    monkeypatch.setattr(semantics, "DECODE_VERSION", 999)
    changed = {name for name, stage in stages.items() if stage_facts(stage) != before[name]}
    assert changed == {*OURS, "any"} - {"header"}


MODULE = """
from dataclasses import dataclass
import numpy as np
from nemo_curator.stages.image.filters.base import BaseFilterStage

@dataclass
class EditedStage(BaseFilterStage):
    _name: str = "edited"
    def score(self, images):
        return np.full(len(images), {number}, np.float32)
"""
ASK = """
import sys
sys.path.insert(0, ".")
import edited
from nemo_curator.runs.fingerprints import fingerprint
from nemo_curator.stages.fingerprint import stage_facts
print(fingerprint(stage_facts(edited.EditedStage())))
"""


def test_code_of_a_users_stage_counts(tmp_path):
    """A stage in a user's own module has other facts after every edit of that module, and the same after none."""
    found = []
    for number in (1, 1, 22):
        (tmp_path / "edited.py").write_text(MODULE.format(number=number))
        done = subprocess.run(
            [sys.executable, "-B", "-c", ASK], capture_output=True, text=True, cwd=tmp_path, check=True
        )
        found.append(done.stdout)
    assert found[0] == found[1] != found[2]


def test_code_of_an_inherited_module_counts(tmp_path):
    """A stage whose methods come from a base class in another module has other facts after an edit of that."""
    (tmp_path / "edited.py").write_text("from base import EditedStage as Base\nclass EditedStage(Base):\n    pass\n")
    found = []
    for number in (1, 1, 22):
        (tmp_path / "base.py").write_text(MODULE.format(number=number))
        done = subprocess.run(
            [sys.executable, "-B", "-c", ASK], capture_output=True, text=True, cwd=tmp_path, check=True
        )
        found.append(done.stdout)
    assert found[0] == found[1] != found[2]


def test_stage_of_no_module_file():
    """A class that was made in no file, as in a notebook, has facts without one."""
    made = type("MadeStage", (BaseFilterStage,), {"__module__": "nowhere"})
    assert stage_facts(made())["code"] == ""


def test_plain_values():
    """Values become plain data by what they are, never by where they lie in memory."""
    assert plain({1: Path("a/b"), "x": {"b", "a"}, "y": (1, None), "z": Inner(1)}) == {
        "1": "a/b", "x": ["a", "b"], "y": [1, None], "z": {"edge": 1, "words": ["a", "b", "c"]}
    }  # fmt: skip
    assert plain(b"abc") == plain(b"abc") != plain(b"abd")
    assert plain(date(2026, 1, 2)) == "2026-01-02"
    assert plain([np.float32(0.5), np.arange(2)]) == [0.5, [0, 1]]
    assert plain(len) == "builtins:len"
    assert plain(object()) == "builtins:object"


def test_versions_leave_out_what_is_not_installed():
    """Only installed distributions have a version."""
    assert versions("numpy", "no-such-distribution") == {"numpy": np.__version__}
