"""Makes `clip_tokens.npz`: what `transformers` gives for the captions of `tests/models/captions.py`.

Needs `transformers` 5 beside the project's environment. Run from the checkout:
`python -m tests.data.models.make_clip_tokens`
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tests.models.captions import captions
from tests.models.clip_reference import transformers_rows, write_vocabulary

ENDING = 49_407


def main() -> None:
    """Write the file: the tokens of all rows without the filling behind them, and how many each row has."""
    with TemporaryDirectory() as folder:
        rows = transformers_rows(write_vocabulary(Path(folder)), captions())
    lengths = [len(row) - int((row[::-1] != ENDING).argmax()) + 1 for row in rows]
    tokens = np.concatenate([row[:length] for row, length in zip(rows, lengths, strict=True)])
    place = Path(__file__).with_name("clip_tokens.npz")
    np.savez_compressed(place, tokens=tokens.astype(np.uint16), lengths=np.array(lengths, np.uint8))


if __name__ == "__main__":
    main()
