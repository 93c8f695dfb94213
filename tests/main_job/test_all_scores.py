"""Every installed score at once: neither workers nor neighbours have a say in any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_curator.pipeline.score_run import preview_score
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs import Run
from nemo_curator.testing import contract_images, make_tar


@pytest.fixture(scope="module")
def members():
    """Ordinary and odd images with their captions, as the members of tars."""
    found = []
    for image in contract_images():
        found.append((image.image_path, image.encoded))
        found += [(name.rpartition(".")[0].rpartition(".")[0] + ".txt", data) for name, data in image.sidecars.items()]
    return found


@pytest.fixture(scope="module")
def scored(members, tmp_path_factory):
    """Those images in one tar, scored by one worker."""
    place = tmp_path_factory.mktemp("all")
    make_tar(place / "in" / "one.tar", members)
    return Run.score(str(place / "in"), str(place / "run"), scores="all", rules={}, workers=1)


def parts_of(run: Run):
    """The bytes of all parts and embeddings, by their place."""
    folders = (Path(run.directory.root) / "parts", Path(run.directory.root) / "embeddings")
    return {path.name: path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_readable_image_has_every_score(scored):
    """No image is in quarantine, and what is NULL is text that an image may lack."""
    table = scored.table()
    assert table["error"].null_count == table.num_rows == len(contract_images())
    for column in scored.schema:
        if column.name in {one.name for one in table.schema} and str(column.type) in {"double", "bool"}:
            missing = table[column.name].null_count
            assert missing == 0 or column.name.startswith(("caption", "truncated")), column.name


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_the_number_of_workers_changes_no_byte(members, scored, tmp_path, workers):
    """Parts and embeddings are byte-identical with no worker process, two and three."""
    make_tar(tmp_path / "in" / "one.tar", members)
    run = Run.score(str(tmp_path / "in"), str(tmp_path / "run"), scores="all", rules={}, workers=workers)
    assert parts_of(run) == parts_of(scored)


def test_neighbours_change_no_score(members, scored, tmp_path):
    """The same images one by one, as files of their own, have the same scores as in one tar."""
    for name, data in members:
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    run = Run.score(str(tmp_path / "in"), str(tmp_path / "run"), scores="all", rules={}, workers=2)
    identity = {"image_id", "source", "key", "ordinal", "members", "primary", "metadata"}
    names = [name for name in scored.table().schema.names if name not in identity]
    alone = {row["sha256"]: row for row in run.table(names).to_pylist()}
    together = {row["sha256"]: row for row in scored.table(names).to_pylist()}
    assert len(together) == len(contract_images())
    assert alone == together


def test_a_second_scoring_computes_nothing(scored):
    """Equal scores have equal fingerprints: nothing is left to do, whatever `all` stands for here."""
    place = scored.directory.root.removesuffix("/run") + "/in"
    plan = preview_score([place], scored.directory, Recipe(scores="all", rules={}))
    assert not plan.work.partitions
