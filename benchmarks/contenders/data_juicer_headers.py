"""Data-Juicer's own command: width and height, aspect and bytes of pictures, and which are kept by them.

`data_juicer_headers.py headers FOLDER OUTPUT [JSON]`: three of its filters over a JSON-lines list of a folder.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

FILTERS = [
    {"image_shape_filter": {"min_width": 64, "min_height": 64}},
    {"image_aspect_ratio_filter": {"min_ratio": 0.2, "max_ratio": 5.0}},
    {"image_size_filter": {"min_size": "1kb", "max_size": "64mb"}},
]


def main(_work: str, photos: str, output: str, _given: str = "{}") -> None:
    """The whole folder, on all cores."""
    from data_juicer.config import init_configs
    from data_juicer.core import DefaultExecutor

    folder = Path(output)
    folder.mkdir(parents=True)
    listed, kept = folder / "list.jsonl", folder / "kept.jsonl"
    lines = [{"text": "<__dj__image>", "images": [str(path)]} for path in sorted(Path(photos).glob("*.jpg"))]
    listed.write_text("".join(json.dumps(line) + "\n" for line in lines))
    recipe = {
        "dataset_path": str(listed),
        "export_path": str(kept),
        "np": len(os.sched_getaffinity(0)),
        "process": FILTERS,
        "open_tracer": False,
        "use_cache": False,
    }
    (folder / "recipe.yaml").write_text(json.dumps(recipe))  # JSON is YAML
    DefaultExecutor(init_configs(["--config", str(folder / "recipe.yaml")])).run()
    sys.stdout.write(f"images {len(kept.read_text().splitlines())}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
