"""Lists of known images on the command line."""

from __future__ import annotations

import hashlib

from tests.cli.kept import as_json
from tests.cli.processes import imagecurator, sentence


def test_decided_and_explained(place):
    """A list given to `decide` stands first in what it says and counts, and `explain` says which hash matched."""
    image = place / "in" / "000.jpg"
    listed = place / "bad.sha256"
    listed.write_text(hashlib.sha256(image.read_bytes()).hexdigest())
    done = imagecurator("decide", place / "run", "--set", f"known_bad.lists.takedown={listed}")
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    at = next(number for number, line in enumerate(said) if "rejects, in this order" in line)
    assert said[at + 1].strip() == f"takedown: what has a hash in {listed} (PDQ within 31 bits)"
    assert "rejected: takedown" in done.stdout
    done = imagecurator("explain", place / "run", "000.jpg")
    lines = {" ".join(line.split()) for line in done.stdout.splitlines()}
    assert "list takedown rejects it: its SHA-256 is in bad.sha256" in lines
    assert "verdict reject by takedown: its SHA-256 is in bad.sha256" in lines
    facts = as_json("explain", place / "run", "000.jpg")
    assert facts["explanation"]["known"] == [["takedown", "its SHA-256 is in bad.sha256"]]


def test_a_missing_score(place):
    """A list of MD5 for a run without hashes is one sentence that says which score to add."""
    (place / "bad.md5").write_text("0" * 32)
    done = imagecurator("decide", place / "run", "--set", f"known_bad.lists.x={place / 'bad.md5'}")
    assert "add `hashes` to `scores` and score again" in sentence(done, 5)


def test_a_list_that_is_none(place):
    """What is wrong in a list is told with its line and file."""
    (place / "bad.txt").write_text("\n" + "0" * 64)
    done = imagecurator("decide", place / "run", "--set", f"known_bad.lists.x={place / 'bad.txt'}")
    assert "bad.txt: line 2: 64 hex digits may be a SHA-256 or a PDQ hash" in sentence(done, 3)
