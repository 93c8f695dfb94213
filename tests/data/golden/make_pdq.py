"""Makes `pdq.json`: what the reference says of the pictures of `tests/kernels/pdq_pictures.py`.

Needs `pdqhash` 0.2.8 beside the project's environment. Run from the checkout: `python -m tests.data.golden.make_pdq`
"""

from __future__ import annotations

import json

import pdqhash
from tests.kernels.pdq_pictures import GOLDEN, SIZES, picture


def main() -> None:
    """Write the file."""
    rows = []
    for seed, (width, height) in enumerate(SIZES):
        bits, quality = pdqhash.compute(picture(seed, width, height))
        digits = f"{int(''.join(str(int(bit)) for bit in bits), 2):064x}"
        rows.append({"seed": seed, "width": width, "height": height, "hash": digits, "quality": int(quality)})
    GOLDEN.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
