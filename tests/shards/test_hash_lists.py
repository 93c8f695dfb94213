"""Lists of hashes: every form that exchanges and tools write, and what is no list."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.shards import hash_lists
from nemo_curator.shards.hash_lists import HashList, read_hash_list

MD5 = [hashlib.md5(b"%d" % at, usedforsecurity=False).hexdigest() for at in range(4)]
LONG = [hashlib.sha256(b"%d" % at).hexdigest() for at in range(4)]


def read(folder, content: bytes | str, name: str = "list.txt") -> HashList:
    """A list by way of a file."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_hash_list("bad", str(path))


def held(listed: HashList) -> dict[str, list[str]]:
    """What a list holds, in hex; kinds that it does not have are left out."""
    kinds = {kind: [row.tobytes().hex() for row in getattr(listed, kind)] for kind in hash_lists.KINDS}
    return {kind: rows for kind, rows in kinds.items() if rows}


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("bad.txt", "\n".join(MD5), "md5"),
        ("bad.md5", "\n".join(MD5) + "\n", "md5"),
        ("bad", "\r\n".join(MD5) + "\r\n\r\n", "md5"),
        ("bad.txt", "\ufeff" + "\n\n".join(one.upper() for one in MD5), "md5"),
        ("bad.txt", "# from somewhere\n" + "\n".join(f"  {one}  " for one in MD5), "md5"),
        ("SUMS", "\n".join(f"{one}  some file,with;marks.jpg" for one in MD5), "md5"),
        ("bad.sha256", "\n".join(LONG), "sha256"),
        ("BAD.SHA256.TXT", "\n".join(LONG), "sha256"),
        ("bad.pdq", "\n".join(LONG), "pdq"),
        ("bad.pdq.txt", "\n".join(f"{one},100,photo.jpg" for one in LONG), "pdq"),
        ("bad.txt", "#pdq\n" + "\n".join(LONG), "pdq"),
        ("bad.txt", "# notes\n# SHA-256\n" + "\r\n".join(LONG), "sha256"),
        ("bad.pdq", "# sha256\n" + "\n".join(LONG), "sha256"),
        ("bad.txt", "\n".join(f"pdq,{one}" for one in LONG), "pdq"),
        ("bad.txt", "\n".join(f"SHA256 {one}" for one in LONG), "sha256"),
        ("bad.csv", "pdq\n" + "\n".join(LONG), "pdq"),
        ("bad.csv", "md5,name\n# from somewhere\n" + "\n".join(f"{one},x" for one in MD5), "md5"),
        ("bad.csv", "name,SHA-256\n" + "\n".join(f'"a, b",{one}' for one in LONG), "sha256"),
        ("bad.csv", "hash;type\n" + "\n".join(f"{one};PDQ" for one in LONG), "pdq"),
        ("bad.tsv", "type\thash\n" + "\n".join(f"sha-256\t{one}" for one in LONG), "sha256"),
    ],
)
def test_forms_of_text(tmp_path, name, content, kind):
    """Plain lines, sums, tools' output, comments, CSV, marks of other systems: the same hashes come out, sorted."""
    found = read(tmp_path, content, name)
    assert held(found) == {kind: sorted(MD5 if kind == "md5" else LONG)}
    assert (found.name, found.file, len(found)) == ("bad", name, 4)


def test_several_kinds_in_one_file(tmp_path):
    """A CSV with a column a kind, empty cells and repeated hashes gives each kind its own set."""
    rows = [f"{MD5[0]},,{LONG[0]}", f",{LONG[1]},", f"{MD5[0]},{LONG[1]},{LONG[2]}", MD5[1]]
    found = read(tmp_path, "md5,sha256,pdq\n" + "\n".join(rows))
    assert held(found) == {"md5": sorted(MD5[:2]), "sha256": [LONG[1]], "pdq": sorted([LONG[0], LONG[2]])}


@pytest.mark.parametrize("stored", ["text", "bytes"])
def test_parquet(tmp_path, stored):
    """A Parquet gives its columns, as hex or as bytes, whatever the file is called; NULLs are left out."""
    values = [*LONG, None] if stored == "text" else [*map(bytes.fromhex, LONG), None]
    pq.write_table(pa.table({"PDQ": values, "other": range(5)}), tmp_path / "list")
    assert held(read_hash_list("bad", str(tmp_path / "list"))) == {"pdq": sorted(LONG)}
    pq.write_table(pa.table({"type": ["md5", "pdq"], "hash": [MD5[0], LONG[0]]}), tmp_path / "typed")
    assert held(read_hash_list("bad", str(tmp_path / "typed"))) == {"md5": [MD5[0]], "pdq": [LONG[0]]}


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# pdq\n# nothing yet\n", b"md5,sha256\n", b"\xef\xbb\xbf"])
def test_empty_lists(tmp_path, content):
    """A file without a hash is a list of none."""
    assert len(read(tmp_path, content)) == 0


def test_a_list_behind_a_url():
    """A list may be anywhere that we can read."""
    with storage.write_atomic("memory://lists/bad.md5") as file:
        file.write("\n".join(MD5).encode())
    assert held(read_hash_list("bad", "memory://lists/bad.md5")) == {"md5": sorted(MD5)}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("\n".join(LONG), r"line 1: 64 hex digits may be a SHA-256 or a PDQ hash.*name the file \*\.sha256 or \*\.pdq"),
        (f"{MD5[0]}\n{LONG[0]}", "line 2: .*md5 has 32 hex digits|line 2: 64 hex digits"),
        (f"{MD5[0]}\n\n{'g' * 32}\n", "line 3: 'g+' is no hash"),
        (f"{MD5[0]}\nno hash", "line 2: 'no' is no hash"),
        ("a" * 40, "is no hash.*md5 has 32 hex digits"),
        (f"md5 {LONG[0]}", "md5 has 32 hex digits"),
        (f"# pdq\n{MD5[0]}", "pdq has 64 hex digits"),
        (b"\xff\xfe" + "\n".join(MD5).encode("utf-16-le"), "line 1: .* is no hash"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is no hash"),
        (f"name,hash\nx,{LONG[0]}", "nothing says which column holds hashes"),
        (f"hash,type\n{LONG[0]},phash", "its type is 'phash'"),
        (f"hash,type\n{LONG[0]}", "its type is ''"),
        (f"md5\n{'0' * 31}", "line 2: .* is no hash"),
        (f"name,md5\nx,{MD5[0]}\nx;{MD5[1]}", "line 3: .*the first line names 2 columns, and this one has 1"),
        (b"0" * 100_000, "line 1 is longer than 65,536 bytes"),
        (f"md5\n{'x,' * 50_000}", "line 2 is longer"),
        (b"PAR1 and no more", "cannot be read"),
    ],
)
def test_what_is_no_list(tmp_path, content, says):
    """What is wrong is told in one sentence with its line, and the file is named."""
    with pytest.raises(InputError, match=says) as caught:
        read(tmp_path, content)
    assert caught.value.where == str(tmp_path / "list.txt")
    assert len(str(caught.value)) < 600


def test_a_line_without_end_is_not_read_whole(tmp_path):
    """A file of one endless line is refused after 64 KiB, however long it is."""
    path = tmp_path / "list.txt"
    with path.open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(InputError, match="longer than"):
        read_hash_list("bad", str(path))


def test_a_missing_file(tmp_path):
    """A file that is not there is named."""
    with pytest.raises(InputError, match=r"nowhere\.pdq: this list of hashes cannot be read"):
        read_hash_list("bad", str(tmp_path / "nowhere.pdq"))


def test_parquet_without_hashes(tmp_path):
    """A Parquet that has none of the columns says which it has."""
    pq.write_table(pa.table({"digest": MD5}), tmp_path / "list")
    with pytest.raises(InputError, match="its columns are digest"):
        read_hash_list("bad", str(tmp_path / "list"))


@given(
    count=st.integers(0, 60),
    odd=st.lists(st.sampled_from(["", "# note", "  ", f"{MD5[0]}  sum"]), max_size=4),
    ending=st.sampled_from(["\n", "\r\n"]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=80)
def test_long_lists_are_read_as_short_ones(tmp_path_factory, count, odd, ending, seed):
    """Blocks of like lines, with others among them, give what reading line by line gives; errors name the same line."""
    random = np.random.default_rng(seed)
    lines = [row.tobytes().hex() for row in random.integers(0, 256, (count, 16), dtype=np.uint8)]
    for one in odd:
        lines.insert(int(random.integers(0, len(lines) + 1)), one)
    folder = tmp_path_factory.mktemp("lists")
    wanted = sorted({line.split()[0] for line in lines if line.strip() and not line.startswith("#")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_lists, "_EVEN", 4)
        patch.setattr(hash_lists, "_OFTEN", 2)
        assert held(read(folder, ending.join(lines))).get("md5", []) == wanted
        with pytest.raises(InputError, match=f"line {len(lines) + 1}: 'wrong' is no hash"):
            read(folder, ending.join([*lines, "wrong"]))


@given(st.lists(st.binary(min_size=1, max_size=2), max_size=50))
@settings(max_examples=60)
def test_membership(tmp_path_factory, ends):
    """A list has what was written into it, whatever its bytes, and nothing else."""
    hashes = {one.rjust(16, b"\0") for one in ends} | {one.ljust(16, b"\0") for one in ends}
    found = read(tmp_path_factory.mktemp("lists"), "\n".join(one.hex() for one in hashes))
    assert held(found).get("md5", []) == sorted(one.hex() for one in hashes)
    assert all(found.has("md5", one) for one in hashes)
    assert found.has("md5", b"\1" * 16) == (b"\1" * 16 in hashes)


def test_the_digest_is_of_the_set(tmp_path):
    """Order, repetition and form of a file do not change its digest; a hash or its kind does."""
    first = read(tmp_path, "\n".join(LONG), "a.pdq").digest
    assert read(tmp_path, "pdq\n" + "\n".join([*reversed(LONG), LONG[0]]), "b.csv").digest == first
    assert read(tmp_path, "\n".join(LONG), "a.sha256").digest != first
    assert read(tmp_path, "\n".join(LONG[1:]), "c.pdq").digest != first
