"""A run that was interrupted goes on, and ends as if nothing had been."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from tests.main_job.material import hashes

from nemo_curator.errors import InputError, OutputExistsError
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.planning.recipe import Recipe
from nemo_curator.testing import encoded, make_tar, photo

RECIPE = {"scores": ["header", "entropy"], "rules": {"plain": "entropy < quantile(entropy, 0.3)"}}


class Plans(Watcher):
    """Notes how many partitions there are and how many were done before."""

    def planned(self, partitions, size, done):
        """Note them."""
        self.seen = (partitions, done)


@pytest.fixture
def source(tmp_path):
    """Four shards of three pictures."""
    for shard in range(4):
        make_tar(tmp_path / "in" / f"{shard}.tar", [(f"{at}.jpg", encoded(photo(10 * shard + at))) for at in range(3)])
    return tmp_path / "in"


def run(source, output, **changes):
    """Curate in this process; returns (partitions, partitions that were done before)."""
    plans = Plans()
    curate([str(source)], str(output), Recipe(**{**RECIPE, **changes}), workers=0, watcher=plans)
    return plans.seen


def _interrupt(output, parts):
    """Make a finished run look as if it had been killed while scoring."""
    (output / "manifest.json").unlink()
    for path in [*output.glob("0*"), output / "run" / "decisions.parquet"]:
        path.unlink()
    for path in sorted((output / "run" / "parts").iterdir())[:parts]:
        path.unlink()


@pytest.mark.parametrize("missing", [0, 1, 3, 4])
def test_only_missing_parts_are_computed(source, tmp_path, missing):
    """Parts that are there are neither computed nor written again, and the result is the same bytes."""
    output = tmp_path / "out"
    assert run(source, output) == (4, 0)
    whole = hashes(output)
    _interrupt(output, missing)
    times = {path.name: path.stat().st_mtime_ns for path in (output / "run" / "parts").iterdir()}
    assert run(source, output) == (4, 4 - missing)
    assert hashes(output) == whole
    for name, time in times.items():
        assert (output / "run" / "parts" / name).stat().st_mtime_ns == time


def test_rules_and_export_may_change_before_the_end(source, tmp_path):
    """Rules, duplicates and shard size enter no part: an unfinished run goes on with other ones, scoring nothing."""
    output = tmp_path / "out"
    run(source, output)
    _interrupt(output, 0)
    changes = {"rules": {"all": "width > 0"}, "duplicates": {"bytes": False}, "export": {"shard_size": 2}}
    assert run(source, output, **changes) == (4, 4)
    verdicts = pq.read_table(output / "run" / "decisions.parquet")["verdict"].to_pylist()
    assert set(verdicts) == {"reject"}


CHANGES = {
    "scores": {"scores": ["header", "sharpness", "entropy"]},
    "parameters": {"scores": ["header", {"entropy": {"model_inference_batch_size": 7}}]},
    "limits": {"limits": {"pixels": 1000}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_work_is_not_mixed_in(source, tmp_path, change):
    """A run of other scores, parameters or limits is refused, and its files stay as they are."""
    output = tmp_path / "out"
    run(source, output)
    _interrupt(output, 1)
    before = hashes(output)
    with pytest.raises(OutputExistsError, match="other scores, limits, input"):
        run(source, output, **CHANGES[change])
    assert hashes(output) == before


def test_more_input_is_not_mixed_in(source, tmp_path):
    """A shard that was added, or one of another size, is another input than the one that was begun."""
    output = tmp_path / "out"
    run(source, output)
    _interrupt(output, 1)
    extra = make_tar(source / "9.tar", [("x.jpg", encoded(photo(99)))])
    with pytest.raises(OutputExistsError, match="other scores, limits, input"):
        run(source, output)
    extra.unlink()
    make_tar(source / "0.tar", [("x.jpg", encoded(photo(99, 400, 300)))])
    with pytest.raises(OutputExistsError, match="other scores, limits, input"):
        run(source, output)


def test_input_that_changed_under_a_part_is_named(source, tmp_path):
    """Bytes that changed after they were scored, at equal size, are found when they are copied."""
    output = tmp_path / "out"
    run(source, output)
    _interrupt(output, 0)
    tar = source / "1.tar"
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    with pytest.raises(InputError, match="not the ones that were read and scored"):
        run(source, output)
    assert not (output / "manifest.json").exists()


def test_a_run_json_that_is_none_is_not_trusted(source, tmp_path):
    """Parts beside a `run.json` that says nothing are not taken over: nobody knows what they were made of."""
    output = tmp_path / "out"
    run(source, output)
    _interrupt(output, 0)
    for text in ("", "{}", "[]", "{"):
        (output / "run" / "run.json").write_text(text)
        with pytest.raises(OutputExistsError, match="did not put there"):
            run(source, output)


def test_run_json_keeps_what_differs(source, tmp_path):
    """`run.json` has the fingerprint, which does not depend on the place, and what may differ from run to run."""
    run(source, tmp_path / "one")
    run(source, tmp_path / "two", rules={}, export={"shard_size": 1})
    one, two = (json.loads((tmp_path / name / "run" / "run.json").read_text()) for name in ("one", "two"))
    assert one["fingerprint"] == two["fingerprint"]
    assert one["output"] != two["output"]
    assert one["columns"] == ["min_side", "aspect", "pixels", "bits_per_pixel", "mislabelled", "entropy"]
    assert set(one["seconds"]) == {"score", "decide", "export"}
