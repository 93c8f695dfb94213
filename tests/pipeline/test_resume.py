"""A run that is there already is used: only what is missing is computed, and what changed is named."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.cli.processes import imagecurator, sentence
from tests.main_job.material import hashes

from nemo_curator.codecs.decode import DECODERS
from nemo_curator.errors import InputError, OutputExistsError, StaleScoresError
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Planned, Scored
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.testing import encoded, make_tar, photo

RECIPE = {"scores": ["header", "entropy"], "rules": {"plain": "entropy < quantile(entropy, 0.3)"}}
WHOLE = {**RECIPE, "scores": ["header", "sharpness", "entropy"]}


class Plans(Watcher):
    """Notes how many partitions there are and how many were done before."""

    seen = (0, 0)

    def told(self, event):
        """Note them."""
        if isinstance(event, Planned):
            self.seen = (event.partitions, event.done)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Four shards of three pictures, and three loose files, one of which has a good header and nothing behind it.

    For tests that leave them as they are.
    """
    folder = tmp_path_factory.mktemp("kept") / "in"
    for shard in range(4):
        make_tar(folder / f"{shard}.tar", [(f"{at}.jpg", encoded(photo(10 * shard + at))) for at in range(3)])
    loose = folder / "loose"
    loose.mkdir()
    (loose / "a.jpg").write_bytes(encoded(photo(50)))
    (loose / "a.txt").write_text("a caption")
    (loose / "b.jpg").write_bytes(encoded(photo(51)))
    (loose / "cut.jpg").write_bytes(encoded(photo(52, 300, 300))[:2500])
    return folder


@pytest.fixture
def source(kept, tmp_path):
    """The same files, for oneself."""
    return Path(shutil.copytree(kept, tmp_path / "in"))


@pytest.fixture(scope="module")
def ran(kept, tmp_path_factory):
    """What a run of `kept` leaves."""
    output = tmp_path_factory.mktemp("ran") / "out"
    assert run(kept, output) == (5, 0)
    return output


@pytest.fixture
def output(ran, tmp_path):
    """The same, for oneself."""
    return Path(shutil.copytree(ran, tmp_path / "out"))


@pytest.fixture
def folder(ran, tmp_path):
    """What that run scored, for oneself."""
    return Path(shutil.copytree(ran / "run", tmp_path / "run"))


@pytest.fixture
def decoded(monkeypatch):
    """Tally of the decoders' calls; the decoders themselves do their work."""
    calls = []

    def counting(real):
        return lambda request: calls.append(request.header) or real(request)

    for kind, real in DECODERS.items():
        monkeypatch.setitem(DECODERS, kind, counting(real))
    return calls


def run(source, output, recipe=RECIPE, **settings):
    """Curate in this process; returns (partitions, partitions that were done before)."""
    return _run(source, output, recipe, **settings)[0]


def notes(source, output, recipe=RECIPE, **settings):
    """Curate in this process; returns what a user is told."""
    return _run(source, output, recipe, **settings)[1]


def _run(source, output, recipe, **settings):
    """((partitions, done before), notes)."""
    plans = Plans()
    summary = curate([str(source)], str(output), Recipe(**recipe), workers=0, watcher=plans, **settings)
    return plans.seen, " | ".join(summary.plan.notes)


def _scored(source, folder, recipe=RECIPE, **settings):
    """Score in this process; returns what a user is told."""
    plan = score_run([str(source)], RunDirectory(str(folder)), Recipe(**recipe), workers=0, **settings)
    return " | ".join(plan.notes)


def _interrupt(output, parts):
    """Make a finished run look as if it had been killed while scoring."""
    (output / "manifest.json").unlink()
    for path in [*output.glob("0*"), output / "run" / "decisions.parquet"]:
        path.unlink()
    for path in sorted((output / "run" / "parts").iterdir())[:parts]:
        path.unlink()


def _times(output):
    """When each part was written."""
    return {path.name: path.stat().st_mtime_ns for path in (output / "run" / "parts").iterdir()}


def _verdicts(output):
    """Id to verdict."""
    table = pq.read_table(output / "run" / "decisions.parquet")
    return dict(zip(table["image_id"].to_pylist(), table["verdict"].to_pylist(), strict=True))


def _parts(folder):
    """Name to bytes of every part."""
    return {path.name: path.read_bytes() for path in (folder / "parts").iterdir()}


@pytest.mark.parametrize("missing", [0, 2, 5])
def test_only_missing_parts_are_computed(kept, output, missing):
    """Parts that are there are neither computed nor written again, and the result is the same bytes."""
    whole = hashes(output)
    _interrupt(output, missing)
    times = _times(output)
    assert run(kept, output) == (5, 5 - missing)
    assert hashes(output) == whole
    assert {name: time for name, time in _times(output).items() if name in times} == times


CHEAP_CHANGES = {
    "rules": {"rules": {"all": "width > 0"}},
    "duplicates": {"duplicates": {"bytes": True, "prefer": "width"}},
    "choosing": {"sample": {"n": 6, "seed": 3}, "split": {"train": 0.5, "val": 0.5}},
    "shards": {"export": {"shard_size": 2}, "shuffle": 4},
    "format": {"export": {"format": "folder"}, "duplicates": {"bytes": False}},
}


@pytest.mark.parametrize("change", CHEAP_CHANGES)
def test_what_decides_and_exports_scores_nothing(kept, output, tmp_path, decoded, change):
    """Rules, duplicates, samples, splits and export settings enter no part: with other ones, nothing is decoded."""
    times = _times(output)
    assert run(kept, output, {**RECIPE, **CHEAP_CHANGES[change]}, replace=True) == (5, 5)
    assert decoded == []
    assert _times(output) == times
    fresh = tmp_path / "fresh"
    run(kept, fresh, {**RECIPE, **CHEAP_CHANGES[change]})
    assert hashes(output) == hashes(fresh)


def test_unfinished_run_goes_on_with_other_rules(kept, output):
    """What was never delivered needs no `replace`."""
    _interrupt(output, 0)
    assert run(kept, output, {**RECIPE, "rules": {"all": "width > 0"}}) == (5, 5)
    assert set(_verdicts(output).values()) == {"reject", "quarantine"}


def test_new_files_are_new_partitions(source, tmp_path, decoded):
    """Shards and loose files that were added are scored, and nothing else; the verdicts are those of a fresh run."""
    output = tmp_path / "out"
    run(source, output)
    times = _times(output)
    make_tar(source / "05.tar", [("x.jpg", encoded(photo(99)))])
    (source / "loose" / "aa.jpg").write_bytes(encoded(photo(98)))
    decoded.clear()
    assert run(source, output, replace=True) == (7, 5)
    assert len(decoded) == 2
    assert {name: time for name, time in _times(output).items() if name in times} == times
    run(source, tmp_path / "fresh")
    assert _verdicts(output) == _verdicts(tmp_path / "fresh")


def test_growth_is_not_delivered_unasked(source, tmp_path):
    """A finished data set is not replaced because its input grew; scoring alone may always go on."""
    output = tmp_path / "out"
    run(source, output)
    before = hashes(output)
    make_tar(source / "9.tar", [("x.jpg", encoded(photo(99)))])
    with pytest.raises(OutputExistsError, match="there is more to score since"):
        run(source, output)
    assert hashes(output) == before
    assert _scored(source, output / "run") == ""
    assert len(_times(output)) == 6


def _rewrite(path, data):
    """Another content, at another time."""
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))


TOUCHED = {
    "another size": lambda folder: (folder / "1.tar").write_bytes((folder / "1.tar").read_bytes() + b"\0" * 512),
    "another content": lambda folder: _rewrite(folder / "1.tar", (folder / "2.tar").read_bytes()),
    "another loose file": lambda folder: _rewrite(folder / "loose" / "b.jpg", encoded(photo(77))),
    "a new sidecar": lambda folder: (folder / "loose" / "b.txt").write_text("a caption of its own"),
}


@pytest.mark.parametrize("how", TOUCHED)
def test_changed_files_are_named_and_scored_again_on_request(source, tmp_path, how):
    """A file that may have changed is named and keeps its scores; with `rescore` its partition alone is scored."""
    folder = tmp_path / "run"
    _scored(source, folder)
    before = _parts(folder)
    TOUCHED[how](source)
    name = "loose/b.jpg" if "loose" in how or "sidecar" in how else "1.tar"
    told = _scored(source, folder)
    assert f"1 file ({name}) may have changed since the first scoring, and is not scored again" in told
    assert _parts(folder) == before
    assert f"1 file ({name})" in _scored(source, folder, rescore=True)
    after = _parts(folder)
    assert sum(after[part] != before[part] for part in before) <= 1
    _scored(source, tmp_path / "fresh")
    assert after == _parts(tmp_path / "fresh")
    assert _scored(source, folder) == ""


def test_vanished_files_are_named(source, tmp_path):
    """A file that is gone is named; its scores stay."""
    folder = tmp_path / "run"
    _scored(source, folder)
    before = _parts(folder)
    (source / "2.tar").unlink()
    assert "1 file (2.tar) is not in the input any more; its scores stay in the run" in _scored(source, folder)
    assert _parts(folder) == before


def test_moved_input_is_the_same_one(source, tmp_path, decoded):
    """An input that moved as a whole goes on without scoring, and is exported from its new place."""
    output = tmp_path / "out"
    run(source, output)
    whole = hashes(output)
    _interrupt(output, 0)
    source.rename(tmp_path / "elsewhere")
    decoded.clear()
    assert run(tmp_path / "elsewhere", output) == (5, 5)
    assert decoded == []
    assert hashes(output) == whole


def test_another_input_is_refused(source, tmp_path):
    """A run is of one input: another one is neither mixed in nor put in its place."""
    folder = tmp_path / "run"
    _scored(source, folder)
    before = _parts(folder)
    make_tar(tmp_path / "other" / "x.tar", [("x.jpg", encoded(photo(99)))])
    with pytest.raises(OutputExistsError, match="this run is of another input"):
        _scored(tmp_path / "other", folder)
    assert _parts(folder) == before


@pytest.mark.parametrize(
    ("first", "then", "decodes"),
    [
        (["header"], ["header", "entropy"], 15),
        (["entropy"], ["header", "entropy"], 0),
        (["header", "entropy"], ["header", "sharpness", "entropy"], 15),
        (["sharpness"], ["header", "sharpness", "exposure", "entropy"], 15),
    ],
)
def test_added_score_is_computed_alone(source, tmp_path, decoded, monkeypatch, first, then, decodes):
    """Parts with a column that was added later are, byte for byte, those of a run with all columns at once.

    That includes images that turn out to be broken only when the new column needs their pixels.
    """
    folder = tmp_path / "run"
    _scored(source, folder, {**RECIPE, "scores": first, "rules": {}})
    decoded.clear()
    _scored(source, folder, {**RECIPE, "scores": then, "rules": {}})
    assert len(decoded) == decodes
    _scored(source, tmp_path / "fresh", {**RECIPE, "scores": then, "rules": {}})
    assert _parts(folder) == _parts(tmp_path / "fresh")


def test_score_that_is_not_asked_for_any_more_stays(source, tmp_path, decoded):
    """A score that was left out is not lost: asked for again, it is there."""
    folder = tmp_path / "run"
    _scored(source, folder, WHOLE)
    before = _parts(folder)
    decoded.clear()
    _scored(source, folder, RECIPE)
    _scored(source, folder, WHOLE)
    assert decoded == []
    assert _parts(folder) == before


STALE = {
    "parameter": ({"scores": ["header", {"entropy": {"model_inference_batch_size": 7}}]}, "entropy (parameters."),
    "limits": ({"limits": {"pixels": 1000}}, "every column (limits.pixels: 100,000,000 → 1,000)"),
}


@pytest.mark.parametrize("change", STALE)
def test_other_scores_are_refused_by_name(kept, folder, tmp_path, change):
    """A changed parameter or limit is refused with the columns and the change; on request, they are computed again."""
    changed, sentence = STALE[change]
    before = _parts(folder)
    with pytest.raises(StaleScoresError) as refused:
        _scored(kept, folder, {**RECIPE, **changed})
    assert sentence in str(refused.value)
    assert "--rescore" in str(refused.value)
    assert _parts(folder) == before
    _scored(kept, folder, {**RECIPE, **changed}, rescore=True)
    _scored(kept, tmp_path / "fresh", {**RECIPE, **changed})
    assert _parts(folder) == _parts(tmp_path / "fresh")


def test_rescore_computes_the_stale_columns_alone(source, tmp_path, decoded):
    """A changed parameter of one score leaves the others: their pixels are not looked at again."""
    folder = tmp_path / "run"
    _scored(source, folder, {**RECIPE, "scores": ["header", "sharpness"], "rules": {}})
    decoded.clear()
    changed = {**RECIPE, "scores": [{"header": {"model_inference_batch_size": 7}}, "sharpness"], "rules": {}}
    _scored(source, folder, changed, rescore=True)
    assert decoded == []
    _scored(source, tmp_path / "fresh", changed)
    assert _parts(folder) == _parts(tmp_path / "fresh")


class _KilledError(BaseException):
    """Ends a scoring in the middle."""


class _Kills(Watcher):
    """Ends it when so many partitions were scored."""

    def __init__(self, after):
        """So many partitions are left."""
        self.left = after

    def told(self, event):
        """Count."""
        self.left -= isinstance(event, Scored)
        if not self.left:
            raise _KilledError


@pytest.mark.parametrize("after", [1, 3])
def test_interrupted_rescore_goes_on_unasked(kept, folder, tmp_path, after):
    """What was asked for once is on record: the same command without `rescore` finishes, with equal bytes."""
    changed = {**RECIPE, "scores": ["header", {"entropy": {"model_inference_batch_size": 7}}, "sharpness"]}
    with pytest.raises(_KilledError):
        _scored(kept, folder, changed, rescore=True, watcher=_Kills(after))
    assert _scored(kept, folder, changed) == ""
    _scored(kept, tmp_path / "fresh", changed)
    assert _parts(folder) == _parts(tmp_path / "fresh")


@pytest.mark.parametrize("after", [1, 2])
def test_interrupted_rescore_of_changed_files_goes_on_unasked(source, tmp_path, after):
    """Files that changed are scored again to their end, even if the scoring is cut short between two of them."""
    folder = tmp_path / "run"
    _scored(source, folder)
    for shard in (0, 1, 2):
        _rewrite(source / f"{shard}.tar", (source / f"{shard + 1}.tar").read_bytes())
    with pytest.raises(_KilledError):
        _scored(source, folder, rescore=True, watcher=_Kills(after))
    assert _scored(source, folder) == ""
    _scored(source, tmp_path / "fresh")
    assert _parts(folder) == _parts(tmp_path / "fresh")


@pytest.fixture
def other_library(monkeypatch):
    """Switches to another version of a library that decoding depends on."""
    from nemo_curator.codecs import semantics

    real = semantics.version
    return lambda: monkeypatch.setattr(
        semantics, "version", lambda name: "99.1" if name == "simplejpeg" else real(name)
    )


def test_another_library_is_named_and_nothing_is_computed(kept, folder, decoded, other_library):
    """Where only an installed library is another one, finished scores stand, and a note says so."""
    before = _parts(folder)
    other_library()
    told = _scored(kept, folder)
    assert "stored scores are used as they are, though libraries changed: entropy (decode.libraries.simplejpeg" in told
    assert "→ 99.1" in told
    assert decoded == []
    assert _parts(folder) == before


def test_another_library_is_not_mixed_in(kept, folder, tmp_path, other_library):
    """Where something is missing, scores of two versions would stand side by side: refused, unless all are renewed."""
    next((folder / "parts").iterdir()).unlink()
    other_library()
    with pytest.raises(StaleScoresError, match="simplejpeg"):
        _scored(kept, folder)
    _scored(kept, folder, rescore=True)
    _scored(kept, tmp_path / "fresh")
    assert _parts(folder) == _parts(tmp_path / "fresh")


def test_finished_run_is_left_as_it_is(kept, output, decoded):
    """The same command on a finished data set does nothing, and ends well."""
    before = {path: path.stat().st_mtime_ns for path in output.glob("0*")}
    assert run(kept, output) == (5, 5)
    assert decoded == []
    assert {path: path.stat().st_mtime_ns for path in output.glob("0*")} == before


def test_finished_output_of_another_recipe_is_kept(kept, output, tmp_path, decoded):
    """Another recipe is refused without `replace`; with it, the scores are used again."""
    before = hashes(output)
    other = {**RECIPE, "rules": {}}
    with pytest.raises(OutputExistsError, match="finished data set of another recipe"):
        run(kept, output, other)
    assert hashes(output) == before
    run(kept, output, other, replace=True)
    assert decoded == []
    run(kept, tmp_path / "fresh", other)
    assert hashes(output) == hashes(tmp_path / "fresh")


def test_input_that_changed_under_a_part_is_named(source, tmp_path):
    """Bytes that changed after they were scored, at equal size, are found when they are copied."""
    output = tmp_path / "out"
    run(source, output)
    _interrupt(output, 0)
    tar = source / "1.tar"
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    with pytest.raises(InputError, match=r"1\.tar"):
        run(source, output)
    assert not (output / "manifest.json").exists()


def test_a_run_json_that_is_none_is_not_trusted(kept, output):
    """Parts beside a `run.json` that says nothing are not taken over: nobody knows what they were made of."""
    _interrupt(output, 0)
    for text in ("", "{}", "[]", "{"):
        (output / "run" / "run.json").write_text(text)
        with pytest.raises(OutputExistsError, match="did not put there"):
            run(kept, output)


def test_run_json_keeps_what_differs(source, tmp_path):
    """`run.json` has the fingerprint, which does not depend on the place, and what may differ from run to run."""
    run(source, tmp_path / "one")
    shutil.copytree(source, tmp_path / "copy")
    run(tmp_path / "copy", tmp_path / "two", {**RECIPE, "rules": {}, "export": {"shard_size": 1}})
    one, two = (json.loads((tmp_path / name / "run" / "run.json").read_text()) for name in ("one", "two"))
    assert one["fingerprint"] == two["fingerprint"]
    assert one["exports"][0]["output"] != two["exports"][0]["output"]
    names = ["records", "min_side", "aspect", "pixels", "bits_per_pixel", "mislabelled", "entropy"]
    assert list(one["columns"]) == names
    assert set(one["seconds"]) == {"score", "decide", "export"}


def test_finished_run_says_so(source, tmp_path):
    """On the command line, the same command again says that all shards were there, and ends with 0."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("scores: [header]\nrules: {small: 'least(width, height) < 64'}\n")
    arguments = ("run", source, tmp_path / "out", "-r", recipe)
    assert imagecurator(*arguments).returncode == 0
    done = imagecurator(*arguments)
    assert done.returncode == 0, done.stderr
    assert "all of which were there already" in " ".join(done.stdout.split())
    assert "--replace" in sentence(imagecurator(*arguments, "-s", "rules.small=width < 9"), 4)
