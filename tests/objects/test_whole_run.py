"""Whole runs on a real object store give the bytes of a run on this machine."""

from __future__ import annotations

import pytest
from tests.objects.material import command, made, run_here, same_everywhere


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The folder of an input, and the files of a run over it on this machine."""
    folder = made(tmp_path_factory.mktemp("here"))
    return folder, run_here(folder)


def test_a_run_in_and_out(store, proxy, bucket, here):
    """Inputs, run directory and data set on the store: every file is the one of the local run, and there is no other."""
    folder, local = here
    store.upload(folder / "in", f"{bucket}/in")
    done = command(
        *("run", f"{bucket}/in", f"{bucket}/out", "-r", folder / "recipe.yaml", "-w", "2"),
        environment=store.environment(proxy.endpoint),
    )
    assert done.returncode == 0, done.stderr
    found = store.contents(f"{bucket}/out")
    assert same_everywhere(found) == local
    assert sorted(set(found) - set(local)) == ["run/partitions.parquet", "run/report.html", "run/run.json"]
    from collections import Counter
    print(Counter(("LIST" if r.is_listing else r.method, r.path.split("?")[0]) for r in proxy.requests))
    print(Counter("LIST" if r.is_listing else r.method for r in proxy.requests))
