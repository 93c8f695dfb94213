"""Decide a made run by nothing but lists of known images: `python decide_known.py RUN [LIST ...]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nemo_curator.runs.deciding import KnownBad, Policy, decide
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.hash_lists import read_hash_list


def main(root: str, files: list[str]) -> None:
    """Decide by the partitions that the made run lists."""
    ids = json.loads((Path(root) / "ids.json").read_text())
    lists = tuple(read_hash_list(Path(file).name, file) for file in files)
    funnel = decide(RunDirectory(root), ids, Policy(known_bad=KnownBad(lists) if lists else None))
    sys.stdout.write(f"{funnel}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
