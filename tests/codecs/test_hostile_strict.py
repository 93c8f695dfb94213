"""Our verdicts on hostile files against Pillow's strict decoding; the documentation lists every difference."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "decoding.md"
# cause as the page words it -> what our record says then
CAUSES = {
    "Scan of a JPEG that ends too early before an end marker": r"premature end of data segment",
    "Code in a JPEG's scan that is in no Huffman table": r"bad Huffman code",
    "Bytes lost before a restart marker of a JPEG": r"extraneous bytes before marker 0xd",
    "Wrong checksum of a PNG's pixels": r"wrong CRC in its IDAT",
    "Lines of a fax (TIFF) that libtiff could not read": r"lost pixels: Fax",
    "Colour numbers in a PNG without a palette": r"colour numbers and no palette",
}
# each runs in a process of its own, so that a decoder that crashes or hangs fails the test and not the session;
# Pillow raises for twice its own limit, so that half of ours is the same limit
SCRIPT = """
import json, pathlib, resource, sys, warnings
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
warnings.simplefilter("ignore")
from PIL import Image
import pillow_heif
from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.limits import DEFAULT_LIMITS
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import SampleError
pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = DEFAULT_LIMITS.pixels // 2

def by_pillow(path):
    try:
        with Image.open(path) as image:
            image.load()
    except Exception as error:
        return type(error).__name__

def by_us(path):
    data = path.read_bytes()
    try:
        decode(data, probe(data))
    except SampleError as error:
        return f"{error.code}: {error}"

who = {"pillow": by_pillow, "us": by_us}[sys.argv[1]]
folder = pathlib.Path(sys.argv[2])
files = sorted(path for path in folder.rglob("*") if path.is_file())
print(json.dumps({path.relative_to(folder).as_posix(): who(path) for path in files}))
"""


@pytest.fixture(scope="module")
def verdicts(shared_data) -> dict[str, dict[str, str | None]]:
    """By whom, then by file: None where it is kept, else why not."""
    found = {}
    for who in ("pillow", "us"):
        command = [sys.executable, "-c", SCRIPT, who, str(shared_data / "hostile")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        found[who] = json.loads(done.stdout)
    return found


def documented() -> tuple[dict[str, int], list[int]]:
    """The page's causes and their counts, and the figures in the sentences before."""
    text = PAGE.read_text(encoding="utf-8").split("## Stricter than Pillow")[1]
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| keeps \| refuses \|", text, re.MULTILINE)
    figures = re.search(r"Of the ([\d,]+) hostile.*?keep (\d+) and refuse (\d+)\. We refuse (\d+)", text, re.DOTALL)
    return {cause: int(count) for cause, count in rows}, [int(figure.replace(",", "")) for figure in figures.groups()]


def test_the_page_lists_the_causes_of_this_test():
    """Cause for cause, in order, and the counts add up to the figure in the text."""
    counts, (files, kept, refused, stricter) = documented()
    assert list(counts) == list(CAUSES)
    assert sum(counts.values()) == stricter
    assert kept + refused + stricter == files


def test_every_difference_from_pillow_has_a_documented_cause(verdicts):
    """We keep nothing that Pillow refuses; what we refuse alone is counted cause by cause, and nothing is left over."""
    ours, theirs = verdicts["us"], verdicts["pillow"]
    assert [name for name, why in ours.items() if why is None and theirs[name] is not None] == []
    alone = {name: why for name, why in ours.items() if why is not None and theirs[name] is None}
    causes = {name: [cause for cause, words in CAUSES.items() if re.search(words, why)] for name, why in alone.items()}
    assert {name: found for name, found in causes.items() if len(found) != 1} == {}
    assert Counter(found[0] for found in causes.values()) == documented()[0]


def test_the_page_counts_every_file(verdicts):
    """All files, those that both keep, and those that both refuse."""
    ours, theirs = verdicts["us"], verdicts["pillow"]
    both = [(ours[name] is None, theirs[name] is None) for name in ours]
    _, (files, kept, refused, _) = documented()
    assert (len(ours), both.count((True, True)), both.count((False, False))) == (files, kept, refused)


def test_every_refusal_is_one_line_with_a_code(verdicts):
    """Whatever made it, a refusal is a code of a quarantine record and one short sentence."""
    for name, why in verdicts["us"].items():
        if why is not None:
            assert re.fullmatch(r"(not_an_image|decode_failed|over_limit): [^\n]{10,300}", why), (name, why)
