"""CleanVision's own command: all its default issues, of a folder of pictures.

`cleanvision_issues.py quality FOLDER OUTPUT [JSON]`: dark, light, blurry, low information, odd size, odd aspect, grey,
equal and near duplicates; a CSV of scores and verdicts.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cleanvision import Imagelab


def main(_work: str, photos: str, output: str, _given: str = "{}") -> None:
    """The whole folder, on all cores."""
    lab = Imagelab(data_path=photos, verbose=False)
    lab.find_issues(n_jobs=len(os.sched_getaffinity(0)), verbose=False)
    Path(output).mkdir(parents=True)
    lab.issues.to_csv(Path(output) / "issues.csv")
    sys.stdout.write(f"images {len(lab.issues)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
