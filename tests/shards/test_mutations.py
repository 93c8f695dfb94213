"""Valid tars that something happened to: reading ends, raises nothing, and keeps what lies before the damage."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from pathlib import Path

import pytest
from tests.shards.builders import FORMATS, JPEG, info, tar_bytes, three_samples, write

from nemo_curator.shards.sample import Sample
from nemo_curator.shards.tar_reader import read_tar

Members = dict[str, bytes]


def make(chance: random.Random) -> bytes:
    """A valid tar of some samples, long names and links, in one of three formats."""
    members = three_samples() * chance.randint(1, 2)
    form = chance.choice(FORMATS)
    if form != tarfile.USTAR_FORMAT:
        members += [("d/" * 80 + "größe.jpg", JPEG), ("é.txt", b"")]
    members += [(info("l.jpg", kind=tarfile.SYMTYPE, link="0000.jpg"), b""), (info("dir", kind=tarfile.DIRTYPE), b"")]
    chance.shuffle(members)
    return tar_bytes(members, form)


def mutate(data: bytes, chance: random.Random) -> tuple[bytes, int]:
    """`data` after one or more accidents, and where the first byte differs."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at, block = chance.randrange(len(changed) or 1), 512 * chance.randrange(len(changed) // 512 or 1)
        what = chance.randrange(7)
        if what == 0 and changed:
            changed[at % len(changed)] ^= 1 << chance.randrange(8)
        elif what == 1:
            del changed[at:]
        elif what == 2:
            changed[at:at] = chance.randbytes(chance.choice([1, 100, 512, 5000]))
        elif what == 3:
            changed[block:block] = changed[block : block + 512 * chance.randint(1, 4)]
        elif what == 4:
            del changed[block : block + 512 * chance.randint(1, 4)]
        elif what == 5:
            changed[block : block + 512] = bytes(512)
        else:
            other = 512 * chance.randrange(len(changed) // 512 or 1)
            changed[block : block + 512] = changed[other : other + 512]
    pairs = zip(data, changed, strict=False)
    return bytes(changed), next((at for at, (old, new) in enumerate(pairs) if old != new), min(len(data), len(changed)))


def before(data: bytes, first: int) -> Members:
    """The first file of each name that `tarfile` finds whole in front of a byte."""
    found: Members = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            if member.isreg() and member.offset_data + member.size <= first:
                found.setdefault(member.name, data[member.offset_data :][: member.size])
    return found


def delivered(samples: list[Sample], data: bytes) -> Members:
    """The files that the records speak of, as they lie in the shard."""
    members = [member for sample in samples for member in sample.source.members]
    found: Members = {}
    for member in sorted(members, key=lambda member: member.offset):
        found.setdefault(member.name, data[member.offset :][: member.length])
    return found


def check(folder: Path, seed: int) -> None:
    """One case: what must hold whatever happened."""
    chance = random.Random(seed)  # noqa: S311  cases, not secrets
    data = make(chance)
    changed, first = mutate(data, chance)
    packed = gzip.compress(changed, 1) if seed % 8 == 0 else changed
    samples = list(read_tar(write(folder / "0.tar", packed)))
    ids = [sample.image_id for sample in samples]
    assert len(set(ids)) == len(ids) <= len(changed) // 512 + 2, seed
    for sample in samples:
        assert bool(sample.error) != bool(sample.image), seed
        assert bool(sample.error) == bool(sample.detail), seed
    found = delivered(samples, changed)
    assert before(data, first).items() <= found.items(), seed


def test_two_thousand_accidents(tmp_path):
    """Flipped bits, cuts, splices, doubled, lost and swapped blocks, also below gzip."""
    for seed in range(2000):
        check(tmp_path, seed)


@pytest.mark.soak
def test_a_hundred_thousand_accidents(tmp_path):
    """The same with many more of them."""
    for seed in range(2000, 102_000):
        check(tmp_path, seed)
