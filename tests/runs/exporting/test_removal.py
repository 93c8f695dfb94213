"""Taking samples out of a delivered data set: only what must change changes, whatever happens on the way."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress

import pyarrow as pa
import pytest
from tests.runs.exporting.made import contents, decide, deliver, image, rows_of, scored, tars
from tests.runs.exporting.made_faults import KilledError, Killer

from nemo_curator.errors import InputError, MissingInputError, VerificationError
from nemo_curator.runs.deciding import IdList
from nemo_curator.runs.exporting import MANIFEST, ExportSettings, export, remove_samples, verify

FORMATS = ("webdataset", "folder", "parquet", "mds")


def id_list(*ids):
    """Ids as read from a file."""
    return IdList("take-down.txt", pa.array(sorted(ids), pa.string()), "0" * 64)


@pytest.fixture(params=FORMATS)
def data_set(request, tmp_path):
    """(a data set of shards of 3, 3 and 2 samples in a split each way, its run)."""
    made = scored(tars(tmp_path / "in", 2, 4), tmp_path / "run")
    decide(made, lambda at, _: ("keep", "val" if at in (2, 6) else "train"))
    deliver(made, tmp_path / "out", ExportSettings(request.param, 3))
    return tmp_path / "out", made


def shards_of(output):
    """Shard to the ids in it."""
    found = {}
    for row in rows_of(output):
        found.setdefault(row["shard"].partition(".")[0], []).append(row["image_id"])
    return found


def manifest_of(output):
    """The manifest."""
    return json.loads((output / MANIFEST).read_text())


def test_only_the_shard_that_holds_it_changes(data_set):
    """One sample goes; its shard and the manifest are written anew, and the rest of the data set stays."""
    output, made = data_set
    before, shards = contents(output), shards_of(output)
    assert {name: len(ids) for name, ids in shards.items()} == {"train/00000": 3, "train/00001": 3, "val/00000": 2}
    victim = shards["train/00001"][1]
    removal = remove_samples(str(output), id_list(victim, "nobody"))
    assert (removal.removed, removal.rewritten, removal.emptied) == (1, 1, 0)
    assert (removal.unknown, removal.unknown_count) == (("nobody",), 1)
    after = contents(output)
    rewritten = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    beside = {MANIFEST, "train/index.json"}
    assert all(name in beside or name.startswith("train/00001") for name in rewritten)
    assert victim not in [row["image_id"] for row in rows_of(output)]
    manifest = manifest_of(output)
    assert (manifest["samples"], manifest["removed"], manifest["splits"]) == (7, 1, {"train": 5, "val": 2})
    found = verify(str(output), made[0])
    assert (found.problems, found.samples, found.compared) == ((), 7, 7)


def test_an_emptied_shard_goes(data_set):
    """A shard of which nothing is left goes with all its files; the numbers of the others stay."""
    output, _ = data_set
    removal = remove_samples(str(output), id_list(*shards_of(output)["train/00000"]))
    assert (removal.removed, removal.rewritten, removal.emptied) == (3, 0, 1)
    assert not [name for name in contents(output) if name.startswith("train/00000")]
    assert sorted(shards_of(output)) == ["train/00001", "val/00000"]
    assert verify(str(output)).ok


def test_rows_keep_their_keys_and_names(data_set):
    """What stays has the same row as before."""
    output, _ = data_set
    before = {row["image_id"]: row for row in rows_of(output)}
    victim = shards_of(output)["train/00000"][0]
    remove_samples(str(output), id_list(victim))
    after = {row["image_id"]: row for row in rows_of(output)}
    assert after == {image_id: row for image_id, row in before.items() if image_id != victim}


def test_numbers_accumulate_and_nothing_is_done_twice(data_set):
    """The manifest counts all that was ever taken out; ids that are gone change nothing."""
    output, _ = data_set
    (first, second, *_), _, _ = shards_of(output).values()
    remove_samples(str(output), id_list(first))
    once = contents(output)
    again = remove_samples(str(output), id_list(first))
    assert (again.removed, again.unknown) == (0, (first,))
    assert contents(output) == once
    remove_samples(str(output), id_list(second))
    assert manifest_of(output)["removed"] == 2
    assert verify(str(output)).ok


def test_a_dry_run_writes_nothing(data_set):
    """`write=False` says what would happen."""
    output, _ = data_set
    before, shards = contents(output), shards_of(output)
    ids = id_list(shards["train/00000"][0], *shards["val/00000"])
    removal = remove_samples(str(output), ids, write=False)
    assert (removal.removed, removal.rewritten, removal.emptied) == (3, 1, 1)
    assert contents(output) == before
    assert remove_samples(str(output), ids) == removal


def test_killed_at_every_boundary(data_set, tmp_path, monkeypatch):
    """Killed anywhere, `verify` does not say that all is well, and the same command ends in the same bytes."""
    output, _ = data_set
    shards = shards_of(output)
    ids = id_list(shards["train/00000"][0], *shards["val/00000"], shards["train/00001"][2])
    before = contents(output)
    shutil.copytree(output, tmp_path / "whole")
    remove_samples(str(tmp_path / "whole"), ids)
    wanted = contents(tmp_path / "whole")
    at, killed = 0, True
    while killed:
        copy = tmp_path / f"copy{at}"
        shutil.copytree(output, copy)
        with monkeypatch.context() as patched:
            killer = Killer(patched, at)
            try:
                remove_samples(str(copy), ids)
            except KilledError:
                assert contents(copy) in (before, wanted) or not verify(str(copy)).ok
            killed = killer.killed
        remove_samples(str(copy), ids)
        assert contents(copy) == wanted
        at += 1
    assert at > 10


def test_other_ids_after_an_interrupted_removal(data_set, tmp_path, monkeypatch):
    """Killed anywhere, a removal with other ids takes out both lists, with the bytes of doing one after the other."""
    output, _ = data_set
    shards = shards_of(output)
    first = id_list(shards["train/00000"][0], *shards["val/00000"], shards["train/00001"][2])
    second = id_list(shards["train/00001"][0], shards["val/00000"][0])
    shutil.copytree(output, tmp_path / "whole")
    remove_samples(str(tmp_path / "whole"), first)
    wanted, before = contents(tmp_path / "whole"), contents(output)
    remove_samples(str(tmp_path / "whole"), second)
    both = contents(tmp_path / "whole")
    at, killed = 0, True
    while killed:
        copy = tmp_path / f"copy{at}"
        shutil.copytree(output, copy)
        with monkeypatch.context() as patched:
            killer = Killer(patched, at)
            with suppress(KilledError):
                remove_samples(str(copy), first)
            killed = killer.killed
        begun = contents(copy) not in (before, wanted)
        removal = remove_samples(str(copy), second)
        assert verify(str(copy)).problems == ()
        left = [row["image_id"] for row in rows_of(copy)]
        if begun:
            assert removal.removed == 5
            assert sorted(left) == sorted(shards["train/00000"][1:] + shards["train/00001"][1:2])
            assert manifest_of(copy)["removed"] == 5
        else:
            assert contents(copy) == both or len(left) == 6
        at += 1
    assert at > 10


def test_ids_of_nothing_after_an_interrupted_removal(data_set, tmp_path, monkeypatch):
    """Even ids that the data set does not hold finish what was interrupted, with no entry of before taken on trust."""
    output, _ = data_set
    ids = id_list(shards_of(output)["train/00000"][0])
    for at in range(3, 6):
        copy = tmp_path / f"copy{at}"
        shutil.copytree(output, copy)
        with monkeypatch.context() as patched:
            Killer(patched, at)
            with pytest.raises(KilledError):
                remove_samples(str(copy), ids)
        remove_samples(str(copy), id_list("nobody"))
        assert (verify(str(copy)).problems, manifest_of(copy)["samples"]) == ((), 7)


def test_more_ids_than_a_manifest_has_room_for(data_set, monkeypatch):
    """Ids that the manifest could not hold are refused before anything is touched."""
    output, _ = data_set
    before = contents(output)
    monkeypatch.setattr("nemo_curator.runs.exporting.removal._MOST_TEXT", 5)
    with pytest.raises(InputError, match="2 samples are too many"):
        remove_samples(str(output), id_list(*shards_of(output)["val/00000"]))
    assert contents(output) == before


def test_a_missing_sample_is_taken_down(tmp_path):
    """A sample that is only listed as missing is found: it is off that list, and counted as removed."""
    made = scored(tars(tmp_path / "in", 2, 3), tmp_path / "run")
    decide(made)
    (tmp_path / "in" / "001.tar").unlink()
    output = tmp_path / "out"
    deliver(made, output, ExportSettings(shard_size=3), skip_missing=True)
    before = contents(output)
    ids = id_list("001/0004", "nobody")
    removal = remove_samples(str(output), ids, write=False)
    assert (removal.removed, removal.rewritten, removal.unknown) == (1, 0, ("nobody",))
    assert contents(output) == before
    assert remove_samples(str(output), ids) == removal
    manifest = manifest_of(output)
    assert [one["image_id"] for one in manifest["missing"]] == ["001/0003", "001/0005"]
    assert (manifest["samples"], manifest["removed"]) == (3, 1)
    assert verify(str(output)).ok
    remove_samples(str(output), id_list("001/0003", "000/0000"))
    assert manifest_of(output)["removed"] == 3


def test_a_file_of_a_user_in_a_folder_stays(tmp_path):
    """Exactly the files of the removed samples go from a folder, and folders in which nothing is left."""
    made = scored(tars(tmp_path / "in", 1, 4), tmp_path / "run")
    decide(made)
    output = tmp_path / "out"
    deliver(made, output, ExportSettings("folder", 2))
    (output / "00000" / "notes.txt").write_bytes(b"mine")
    (first, second), (third, fourth) = shards_of(output).values()
    remove_samples(str(output), id_list(first))
    assert sorted(path.name for path in (output / "00000").iterdir()) == [
        "0001.jpg", "0001.json", "0001.txt", "notes.txt"
    ]  # fmt: skip
    remove_samples(str(output), id_list(second, third, fourth))
    assert sorted(contents(output)) == ["00000/notes.txt", MANIFEST]
    assert not (output / "00001").exists()


def test_folders_that_are_empty_go(data_set):
    """The last shard of a split takes the split's folder with it."""
    output, _ = data_set
    remove_samples(str(output), id_list(*shards_of(output)["val/00000"]))
    assert sorted(path.name for path in output.iterdir()) == [MANIFEST, "train"]


def test_links_that_lead_out_are_not_followed(tmp_path):
    """A folder that became a link to somewhere else loses nothing there."""
    made = scored(tars(tmp_path / "in", 1, 2), tmp_path / "run")
    decide(made)
    output = tmp_path / "out"
    deliver(made, output, ExportSettings("folder"))
    (output / "00000").rename(tmp_path / "elsewhere")
    (output / "00000").symlink_to(tmp_path / "elsewhere")
    there = contents(tmp_path / "elsewhere")
    for ids in (["000/0000"], ["000/0000", "000/0001"]):
        with pytest.raises(VerificationError, match="leads out"):
            remove_samples(str(output), id_list(*ids))
    assert contents(tmp_path / "elsewhere") == there


def test_an_export_after_a_removal_writes_that_shard_again(data_set):
    """A shard that samples were taken out of is not the one that the plan asks for."""
    output, made = data_set
    remove_samples(str(output), id_list(shards_of(output)["train/00000"][0]))
    settings = ExportSettings(manifest_of(output)["format"], 3)
    exported = export(*made, str(output), settings)
    assert (exported.written, exported.samples) == (1, 8)


def test_what_is_no_data_set_is_refused(tmp_path):
    """Without a manifest of ours nothing is touched."""
    (tmp_path / "00000.tar").write_bytes(b"mine")
    with pytest.raises(MissingInputError, match="no whole data set"):
        remove_samples(str(tmp_path), id_list("x"))
    assert contents(tmp_path) == {"00000.tar": b"mine"}


@pytest.mark.parametrize("change", [{"format": "zip"}, {"samples": "many"}, {"splits": 3}, {"removed": None}])
def test_a_manifest_that_was_changed(data_set, change):
    """A manifest that makes no sense is told, and nothing is touched."""
    output, _ = data_set
    (output / MANIFEST).write_text(json.dumps(manifest_of(output) | change))
    before = contents(output)
    with pytest.raises(VerificationError, match="not what its manifest says"):
        remove_samples(str(output), id_list("x"))
    assert contents(output) == before


def test_damaged_members_are_not_copied(data_set):
    """Bytes that are not those of the row end the removal, which names them, and the shard stays as it was."""
    output, _ = data_set
    ends = {"webdataset": ".tar", "folder": "/0000.jpg", "parquet": ".parquet", "mds": ".mds"}
    path = output / f"train/00000{ends[manifest_of(output)['format']]}"
    victim, data = shards_of(output)["train/00000"][2], path.read_bytes()
    at = data.index(image(0, 200)) + 100
    damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    path.write_bytes(damaged)
    with pytest.raises(VerificationError, match=r"0000\.jpg.*gone or not the ones"):
        remove_samples(str(output), id_list(victim))
    assert path.read_bytes() == damaged
    assert not verify(str(output)).ok
    path.write_bytes(b"")
    with pytest.raises(VerificationError, match="00000"):
        remove_samples(str(output), id_list(victim))


def test_a_shard_that_is_gone(data_set):
    """A Parquet that is gone, for another reason than an interrupted removal, is told and not passed over."""
    output, _ = data_set
    (output / "val" / "00000.parquet").unlink()
    with pytest.raises(VerificationError, match=r"val/00000\.parquet cannot be read"):
        remove_samples(str(output), id_list("x"))
