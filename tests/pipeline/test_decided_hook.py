"""What a caller needs after the export may start before it: `curate` tells when all is decided."""

from __future__ import annotations

from pathlib import Path

from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.exporting import delivered
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.testing import encoded, photo


def test_it_is_told_once_between_the_verdicts_and_the_export(tmp_path):
    """The verdicts are there, and nothing of the data set: decoders that start then import beside the export."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(encoded(photo(1)))
    output = tmp_path / "out"
    seen = []

    def decided() -> None:
        """Look at what is there."""
        decisions = Path(RunDirectory(str(output / "run")).decisions)
        seen.append((decisions.exists(), delivered(str(output))))

    curate([str(tmp_path / "in")], str(output), Recipe(scores=["header"], rules={}), workers=0, decided=decided)
    assert seen == [(True, None)]
    assert delivered(str(output)) is not None
