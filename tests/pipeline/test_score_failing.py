"""A scoring that fails leaves nothing half-written, and nothing else gone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from nemo_curator.errors import StageError
from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.testing import encoded, make_tar, photo

PLACE = "FAILING_PLACE"


@dataclass
class FailingFilterStage(BaseFilterStage):
    """Fails while another worker, as it were, writes files."""

    _name: str = "failing"

    def score(self, _images):
        """Never."""
        for name in ("parts/p.parquet.tmp-0123456789ab", "embeddings/p.parquet.tmp-0123456789ab", "parts/mine.txt"):
            path = Path(os.environ[PLACE], name)
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_bytes(b"half")
        raise ValueError("no")


def test_files_under_way_go_with_the_scoring(tmp_path, monkeypatch):
    """What killed workers had under way is removed at once; what somebody else put there stays."""
    make_tar(tmp_path / "in" / "a.tar", [(f"{at}.jpg", encoded(photo(at))) for at in range(9)])
    run = tmp_path / "out" / "run"
    monkeypatch.setenv(PLACE, str(run))
    recipe = Recipe(scores=["tests.pipeline.test_score_failing:FailingFilterStage"], rules={})
    with pytest.raises(StageError, match="failing"):
        curate([str(tmp_path / "in")], str(tmp_path / "out"), recipe, workers=0)
    left = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    assert left == ["partitions.parquet", "parts/mine.txt", "run.json"]
