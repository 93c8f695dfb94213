"""How much memory does decoding take, in bytes a pixel, and is the estimate from the header an upper bound?

One picture in each format and kind, decoded in a process of its own that has decoded a small one before. Peak of
resident memory beyond what was there; the encoded bytes are not counted. Other files may be named on the command line.

Run: `python benchmarks/decode_memory.py [--width 6000] [--height 4000] [--only jpeg] [FILE …]`
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from nemo_curator.codecs.limits import DEFAULT_LIMITS
from nemo_curator.codecs.memory_need import decoding_bytes
from nemo_curator.kernels.header import ImageHeader
from nemo_curator.kernels.sniff import sniff
from support.large_pictures import picture, writers
from support.machine import publish

_PROCESS = Path(__file__).parent / "support" / "decode_alone.py"


def measure(small: Path, large: Path) -> dict[str, Any]:
    """What decoding the second took, in bytes and in bytes a pixel."""
    command = [sys.executable, str(_PROCESS), str(small), str(large)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": f"exit {done.returncode}: {done.stderr[-300:]}"}
    facts: dict[str, Any] = json.loads(done.stdout)
    header = facts.pop("header")
    pixels = header["width"] * header["height"]
    a_pixel = {f"{name}_a_pixel": round(facts[name] / pixels, 2) for name in ("resident", "reserved", "estimate")}
    admitted = megapixels(ImageHeader(**header))
    return {
        "mode": header["mode"],
        "bits": header["bit_depth"],
        "pixels": pixels,
        **facts,
        **a_pixel,
        "admitted_megapixels": admitted,
    }


def megapixels(header: ImageHeader) -> int:
    """Millions of pixels of a picture of this kind that the default limits admit."""
    most = DEFAULT_LIMITS.pixels // 1_000_000
    sizes = (replace(header, width=count * 1000, height=1000) for count in range(most, 0, -1))
    return next((one.pixels // 1_000_000 for one in sizes if decoding_bytes(one) <= DEFAULT_LIMITS.memory), 0)


def main() -> None:
    """Measure all, print a table, and fail where an estimate is too low."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=6000)
    parser.add_argument("--height", type=int, default=4000)
    parser.add_argument("--only", default="")
    parser.add_argument("files", nargs="*", type=Path)
    chosen = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    little, much = picture(64, 48), picture(chosen.width, chosen.height)
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        for name, write in writers().items():
            if chosen.only in name:
                small.write_bytes(write(little))
                large.write_bytes(write(much))
                found[name] = measure(small, large)
                _tell(name, found[name])
        for path in chosen.files:
            kind = sniff(path.read_bytes()[:64])
            small.write_bytes(next(write for name, write in writers().items() if name.split()[0] == kind)(little))
            found[path.name] = measure(small, path)
            _tell(path.name, found[path.name])
    low = [name for name, facts in found.items() if facts.get("resident", 0) > facts.get("estimate", 0)]
    publish("decode_memory", {"width": chosen.width, "height": chosen.height, "kinds": found, "estimate_too_low": low})
    sys.exit(f"the estimate is too low for: {', '.join(low)}" if low else 0)


def _tell(name: str, facts: dict[str, Any]) -> None:
    if "resident_a_pixel" not in facts:
        print(f"| {name} | {facts['error']} |", flush=True)
        return
    figures = " | ".join(f"{facts[f'{part}_a_pixel']:.1f}" for part in ("resident", "reserved", "estimate"))
    error = f" {facts['error']}" if facts["error"] else ""
    print(f"| {name} | {facts['mode']} | {figures} | {facts['admitted_megapixels']} |{error}", flush=True)


if __name__ == "__main__":
    main()
