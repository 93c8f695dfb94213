"""Decide a made run once: five rules, two of them quantiles, and duplicates."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nemo_curator.runs.deciding import Policy, decide, parse_rule
from nemo_curator.runs.layout import RunDirectory

RULES = {
    "small": "least(width, height) < 64",
    "nsfw": "nsfw_score >= 0.8",
    "dark": "dark_share > 0.9 or brightness < 0.02",
    "blurred": "sharpness < quantile(sharpness, 0.05)",
    "plain": "entropy < quantile(entropy, 0.1)",
}
COLUMNS = ["width", "height", "nsfw_score", "dark_share", "brightness", "sharpness", "entropy"]


def main(root: str) -> None:
    """Decide by the partitions that the made run lists."""
    ids = json.loads((Path(root) / "ids.json").read_text())
    rules = tuple(parse_rule(name, text, COLUMNS) for name, text in RULES.items())
    policy = Policy(rules, prefer=parse_rule("prefer", "width * height", COLUMNS))
    funnel = decide(RunDirectory(root), ids, policy)
    sys.stdout.write(f"{funnel}\n")


if __name__ == "__main__":
    main(sys.argv[1])
