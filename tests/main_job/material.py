"""A small input with everything in it that a real one has, and independent readers of inputs and outputs."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import struct
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import zstandard

from nemo_curator.cli.summary import summary_facts
from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.report.page import write_report
from nemo_curator.testing import encoded, make_tar, photo, tar_bytes

CHEAP = """\
scores: [header, entropy]
rules:
  small: least(width, height) < 64
  plain: entropy < quantile(entropy, 0.2)
export: {shard_size: 7}
"""

# the files of a run that may differ between two runs of the same work
MAY_DIFFER = ("run/run.json", "run/report.html", "run/partitions.parquet")


def bomb(width: int = 65_535, height: int = 66_601) -> bytes:
    """A PNG that claims to be large, and holds nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def sample(key: str, seed: int, **size: int) -> list[tuple[str, bytes]]:
    """An image with a caption and a label."""
    return [
        (f"{key}.jpg", encoded(photo(seed, **size), quality=85)),
        (f"{key}.txt", f"picture {seed} of señor {key}".encode()),
        (f"{key}.json", json.dumps({"seed": seed, "nested": {"a": [1, None]}}).encode()),
    ]


def make_input(folder: Path) -> Path:
    """Build the input; returns it. Deterministic, byte for byte."""
    first = [member for number in range(12) for member in sample(f"{number:06d}", number)]
    first.insert(2, ("000000.seg.png", encoded(photo(900, 32, 32), "PNG")))
    make_tar(folder / "a.tar", first)
    second = sample("000000", 100) + sample("tiny", 101, width=20, height=20) + [("copy.jpg", first[0][1])]
    make_tar(folder / "sub" / "b.tar.gz", second)
    third = [("deep/ключ.webp", encoded(photo(200), "WEBP")), ("deep/ключ.txt", b"caption"), *sample("000001", 201)]
    make_tar(folder / "c.tar.zst", third)
    (folder / "cut.tar").write_bytes(tar_bytes(sample("whole", 300) + sample("cut", 301))[:-4000])
    loose = folder / "loose"
    loose.mkdir()
    contents = {
        "x.jpg": encoded(photo(400), quality=80),
        "x.txt": b"\xff\xfe not utf-8",
        "y.png": encoded(photo(401), "PNG"),
        "y-copy.png": encoded(photo(401), "PNG"),
        "no-extension": encoded(photo(402)),
        "dotted.name.v2.jpg": encoded(photo(403)),
        "mislabelled.png": encoded(photo(404)),
        "truncated.jpg": encoded(photo(405, 300, 300))[:2000],
        "empty.jpg": b"",
        "bomb.png": bomb(),
        "notes.csv": b"a,b\n1,2\n",
        "LICENSE": b"free",
        ".hidden": b"x",
    }
    for name, data in contents.items():
        (loose / name).write_bytes(data)
    Path(os.fsdecode(os.fsencode(loose) + b"/caf\xe9.jpg")).write_bytes(encoded(photo(406)))
    return folder


def _tiff(width: int, height: int) -> bytes:
    """A TIFF that claims a size, and holds nothing."""
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    packed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + b"\0" * 4


def make_hostile(folder: Path) -> Path:
    """Build a folder of files that would each end a careless run; returns it."""
    folder.mkdir(parents=True)
    bitmap = struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, -(2**31), 1, 24, 0, 0, 0, 0, 0, 0)
    contents = {
        "caption.jpg": encoded(photo(1)),
        "caption.json": b'{"caption": "\\ud800", "k\\udc00": NaN, "big": 1e999, "n": 123456789012345678901234567890}',
        "deep.jpg": encoded(photo(2)),
        "deep.json": b"[" * 100_000,
        "zero.jpg": encoded(photo(3)),
        "zero.txt": b"a\0b",
        "huge.png": bomb(2**32 - 1, 2**32 - 1),
        "negative.png": bomb(2**31, 1),
        "nothing.png": bomb(0, 0),
        "huge.tif": _tiff(2**32 - 1, 2**32 - 1),
        "huge.bmp": b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + bitmap + b"\0" * 50,
        "huge.gif": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + b"\0" * 20,
        "empty.tar": b"",
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    names = ["a\nb.jpg", "ж\u202eкл.jpg", ".jpg", "x/.hidden.jpg", "x" * 300 + ".jpg", "../up.jpg", "/absolute.jpg"]
    twice = [("twice.jpg", encoded(photo(9))), ("alone.txt", b"text"), ("twice.jpg", encoded(photo(10)))]
    make_tar(folder / "names.tar", [*((name, encoded(photo(at + 20))) for at, name in enumerate(names)), *twice])
    return folder


def source_members(folder: Path) -> dict[tuple[str, str], bytes]:
    """(source file, member) → bytes of everything under an input, read by `tarfile` and nothing of ours."""
    found: dict[tuple[str, str], bytes] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        source = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
        data = path.read_bytes()
        if ".tar" not in path.name:
            found[source, source] = data
            continue
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".zst":
            data = zstandard.ZstdDecompressor().stream_reader(data).read()
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for member in tar:
                    found[source, member.name] = tar.extractfile(member).read()
        except tarfile.ReadError:
            continue  # what came before the damage counts
    return found


def delivered_members(output: Path) -> dict[str, bytes]:
    """Member name (behind its shard's name) → bytes of everything in a data set."""
    found: dict[str, bytes] = {}
    for path in sorted(output.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                found[f"{path.name}#{member.name}"] = tar.extractfile(member).read()
    return found


def delivered_rows(output: Path) -> list[dict[str, Any]]:
    """All rows of a data set's Parquet files, in order."""
    return [row for path in sorted(output.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def decisions(output: Path) -> list[dict[str, Any]]:
    """All verdicts, in order."""
    return pq.read_table(output / "run" / "decisions.parquet").to_pylist()


def part_rows(output: Path) -> list[dict[str, Any]]:
    """All records of a run's parts, by id."""
    rows = [row for path in (output / "run" / "parts").iterdir() for row in pq.read_table(path).to_pylist()]
    return sorted(rows, key=lambda row: row["image_id"])


def hashes(output: Path) -> dict[str, str]:
    """SHA-256 of every file of a data set that must be the same every time, by its path."""
    files = sorted(path for path in output.rglob("*") if path.is_file())
    names = {path.relative_to(output).as_posix(): path for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in names.items() if name not in MAY_DIFFER
    }


def curated(source: Path, output: Path, recipe: str = CHEAP, **settings: Any) -> dict[str, Any]:
    """Curate, with real worker processes; returns the summary as `--json` prints it."""
    summary = curate([str(source)], str(output), parse_recipe(recipe), **settings)
    write_report(summary.run)
    return summary_facts(summary)
