"""`import nemo_curator` is light. How long it takes is measured by `benchmarks/import_time.py`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "ray", "transformers", "onnxruntime", "pandas", "duckdb", "pyarrow", "numpy", "fsspec", "pydantic"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after a statement."""
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_import_nemo_curator_loads_nothing_heavy():
    """Only the package itself is new in `sys.modules`; in particular no framework."""
    new = loaded_by("import nemo_curator") - loaded_by("pass")
    assert not new & HEAVY
    assert len(new - {"nemo_curator", "__future__"}) == 0


@pytest.mark.parametrize("absent", ["torch", "ray", "transformers", "pandas"])
def test_the_public_surface_needs_no_framework(absent):
    """What the tutorials import loads none of the optional frameworks."""
    modules = (
        "nemo_curator.tasks, nemo_curator.pipeline, nemo_curator.core.client, nemo_curator.backends.xenna, "
        "nemo_curator.backends.ray_data, nemo_curator.backends.ray_actor_pool, nemo_curator.stages.file_partitioning, "
        "nemo_curator.stages.image.io.image_reader, nemo_curator.stages.image.io.image_writer, "
        "nemo_curator.stages.image.io.convert, nemo_curator.stages.image.embedders.clip_embedder, "
        "nemo_curator.stages.image.filters.aesthetic_filter, nemo_curator.stages.image.filters.nsfw_filter, "
        "nemo_curator.stages.image.deduplication.removal, nemo_curator.stages.text.io.writer.parquet, "
        "nemo_curator.stages.deduplication.semantic"
    )
    assert absent not in loaded_by(f"import {modules}")
