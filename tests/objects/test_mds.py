"""MDS shards on a real object store are those of an export on this machine, byte for byte."""

from __future__ import annotations

import itertools

import pytest
from tests.cli.processes import imagecurator
from tests.objects.material import command, local_files, made, run_here, same_everywhere
from tests.runs.exporting.mds_by_the_book import read_mds

AS_MDS = ("-s", "export.format=mds")
ANEW = ("--format", "mds", "--longest", "48", "--encode", "webp")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The folder of an input, and the files of a run over it on this machine with MDS shards."""
    folder = made(tmp_path_factory.mktemp("here"))
    return folder, run_here(folder, *AS_MDS)


@pytest.fixture
def place(store, bucket, here):
    """The bucket, with the input in it."""
    store.upload(here[0] / "in", f"{bucket}/in")
    return bucket


def fetched(store, url, folder):
    """A folder with the files of a place on the store."""
    for path, data in store.contents(url).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def test_a_run_in_and_out(store, proxy, place, here, tmp_path):
    """Every file is put once, also where every sixth request fails; what is there is verified, and read by the book."""
    kinds = itertools.cycle(("500", "503", "reset", "cut", "slow", "502"))
    proxy.schedule = lambda request: next(kinds) if request.number % 6 == 0 else None
    arguments = ("run", f"{place}/in", f"{place}/out", "-r", here[0] / "recipe.yaml", "-w", "2", *AS_MDS)
    done = command(*arguments, environment=store.environment(proxy.endpoint))
    assert done.returncode == 0, done.stderr
    assert same_everywhere(store.contents(f"{place}/out")) == here[1]
    done = command("verify", f"{place}/out", "--run", f"{place}/out/run", environment=store.environment())
    assert done.returncode == 0, done.stderr
    found = [
        one["image_id"]
        for split in ("train", "val")
        for one in read_mds(fetched(store, f"{place}/out", tmp_path) / split)
    ]
    assert len(found) == len(set(found)) > 4


def test_images_made_anew_and_taken_out(store, place, here, tmp_path):
    """In the place of another export, encoded anew, and with a sample taken out: each is as it is on this machine."""
    (tmp_path / "ids.txt").write_text("a/001\n")
    recipe = ("-r", here[0] / "recipe.yaml")

    def there(*arguments):
        done = command(*arguments, environment=store.environment())
        assert done.returncode == 0, done.stderr

    def on_this_machine(*arguments):
        done = imagecurator(*arguments)
        assert done.returncode == 0, done.stderr

    def export(do, source, place):
        do("run", source, f"{place}/out", "--run", f"{place}/run", *recipe, "-w", "1")
        do("export", f"{place}/run", f"{place}/out", *ANEW, "-w", "1", "--card", "--replace")

    export(there, f"{place}/in", place)
    export(on_this_machine, here[0] / "in", tmp_path)
    assert store.contents(f"{place}/out") == local_files(tmp_path / "out")
    there("remove", f"{place}/out", "--ids", tmp_path / "ids.txt")
    there("verify", f"{place}/out")
    on_this_machine("remove", tmp_path / "out", "--ids", tmp_path / "ids.txt")
    assert store.contents(f"{place}/out") == local_files(tmp_path / "out")
