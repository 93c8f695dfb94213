"""Whole runs on a real object store give the bytes of a run on this machine, whatever goes wrong on the way."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time

import pytest
from benchmarks.support.object_store import KEY, SECRET
from tests.cli.processes import command as command_line
from tests.cli.processes import sentence
from tests.objects.material import command, made, run_here, same_everywhere

OWN = ["run/partitions.parquet", "run/report.html", "run/run.json"]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The folder of an input, and the files of a run over it on this machine."""
    folder = made(tmp_path_factory.mktemp("here"))
    return folder, run_here(folder)


@pytest.fixture
def place(store, bucket, here):
    """The bucket, with the input in it."""
    store.upload(here[0] / "in", f"{bucket}/in")
    return bucket


def arguments(here, place, *more):
    """Of a run on the store."""
    return ("run", f"{place}/in", f"{place}/out", "-r", here[0] / "recipe.yaml", "-w", "2", *more)


def check(store, place, here):
    """Every file of the run is the one of the local run, and there is no other one: no half of any, none temporary."""
    found = store.contents(f"{place}/out")
    assert same_everywhere(found) == here[1]
    assert sorted(set(found) - set(here[1])) == OWN


def test_a_run_in_and_out(store, proxy, place, here):
    """Inputs, run directory and data set on the store; every file is put once, each shard is scored in one request."""
    done = command(*arguments(here, place), environment=store.environment(proxy.endpoint))
    assert done.returncode == 0, done.stderr
    put = [one.key for one in proxy.of("PUT") if not one.key.endswith("run.json")]
    assert len(put) == len(set(put))
    bucket = place.removeprefix("s3://")
    assert {one.removeprefix(f"{bucket}/out/") for one in put} == set(store.contents(f"{place}/out")) - {"run/run.json"}
    check(store, place, here)
    again = command(*arguments(here, place), environment=store.environment(proxy.endpoint))
    assert again.returncode == 0, again.stderr
    check(store, place, here)


def test_scoring_asks_for_each_source_once(store, proxy, place, here):
    """To score reads every shard and every loose file in one request, and puts each part in one."""
    done = command(
        *("score", f"{place}/in", f"{place}/run", "-r", here[0] / "recipe.yaml", "-w", "1"),
        environment=store.environment(proxy.endpoint),
    )
    assert done.returncode == 0, done.stderr
    sources = ("a.tar", "b.tar.gz", "cut.tar", "x.jpg", "x.txt", "y.png", "y-copy.png", "broken.jpg")
    assert {name: len(proxy.of("GET", f"/{name}")) for name in sources} == dict.fromkeys(sources, 1)
    parts = [one for one in proxy.of("PUT") if "/parts/" in one.path]
    assert len(parts) == len({one.path for one in parts}) == 4
    proxy.forget()
    done = command("score", f"{place}/in", f"{place}/run", environment=store.environment(proxy.endpoint))
    assert done.returncode == 0, done.stderr
    assert not any(proxy.of("GET", f"/{name}") for name in sources)
    assert not [one for one in proxy.of("PUT") if "/parts/" in one.path]


def test_a_run_through_faults(store, proxy, place, here):
    """Every sixth request fails, in turn by each kind of fault, also such as was done and whose answer is lost."""
    kinds = itertools.cycle(("500", "503", "reset", "cut", "lost", "slow", "502"))
    proxy.schedule = lambda request: next(kinds) if request.number % 6 == 0 else None
    done = command(*arguments(here, place), environment=store.environment(proxy.endpoint))
    assert done.returncode == 0, done.stderr
    assert len(proxy.faults) > 20
    check(store, place, here)


@pytest.mark.parametrize("ending", [".parquet:1", ".parquet:3", "decisions.parquet:1", ".tar:1", "manifest.json:1"])
def test_a_run_that_is_killed_goes_on(store, proxy, place, here, ending):
    """Killed (SIGKILL) while a file is on its way, before it is there, the same command comes to the same bytes."""
    name, _, count = ending.partition(":")
    proxy.schedule = lambda one: (
        "stall"
        if one.method == "PUT" and one.path.endswith(name) and len(proxy.of("PUT", name)) >= int(count)
        else None
    )
    started = subprocess.Popen(
        command_line(*map(str, arguments(here, place))),
        env={**os.environ, **store.environment(proxy.endpoint)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not proxy.faults:
        assert started.poll() is None, started.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    started.stderr.close()
    proxy.schedule = None
    before = {path for path in store.contents(f"{place}/out") if "/parts/" in path}
    proxy.forget()
    done = command(*arguments(here, place), environment=store.environment(proxy.endpoint))
    assert done.returncode == 0, done.stderr
    check(store, place, here)
    anew = {one.key.partition("/out/")[2] for one in proxy.of("PUT") if "/parts/" in one.path}
    assert not anew & before


def told(done, *files):
    """All that a command let anybody see."""
    return done.stdout + done.stderr + "".join(file.read_text() for file in files if file.exists())


def test_credentials_that_are_wrong(store, proxy, place, here, tmp_path):
    """One sentence that says where, why and what next; the code of an input; nothing written, and no secret told."""
    log = tmp_path / "log"
    for changed, why in (
        ({"AWS_SECRET_ACCESS_KEY": "wr0ng+secret/0123456789"}, "HTTP 403"),
        ({"AWS_ACCESS_KEY_ID": "AKIDOFNOBODY"}, "HTTP 403"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": str(tmp_path)}, "NoCredentials"),
    ):
        environment = store.environment(proxy.endpoint, **changed)
        done = command(*arguments(here, place, "--log-json", log), environment=environment)
        said = sentence(done, 3)
        assert why in said
        assert f"{place}/in" in said
        assert "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in said
        everything = told(done, log)
        for secret in (SECRET, "wr0ng", "AKIDOFNOBODY", KEY):
            assert secret not in everything
    assert not proxy.of("PUT")


def test_credentials_that_end_on_the_way(store, proxy, place, here, tmp_path):
    """A run whose credentials are refused from some moment on ends with a sentence, and takes no image for broken."""
    proxy.schedule = lambda one: "403" if any("/parts/" in put.path for put in proxy.of("PUT")) else None
    done = command(*arguments(here, place), environment=store.environment(proxy.endpoint))
    assert "does not permit it" in sentence(done, done.returncode)
    assert done.returncode in {3, 4}
    proxy.schedule = None
    done = command(*arguments(here, place), environment=store.environment(proxy.endpoint))
    assert done.returncode == 0, done.stderr
    check(store, place, here)


def test_buckets_that_are_missing(store, proxy, place, here, tmp_path):
    """A missing bucket is named as such, for input and output, before anything is read."""
    environment = store.environment(proxy.endpoint)
    recipe = ("-r", here[0] / "recipe.yaml")
    said = sentence(command("run", "s3://nosuch/in", f"{place}/out", *recipe, environment=environment), 3)
    assert "s3://nosuch/in: there is nothing at this path (the bucket does not exist)" in said
    proxy.forget()
    said = sentence(command("run", f"{place}/in", "s3://nosuch/out", *recipe, environment=environment), 4)
    assert "s3://nosuch/out" in said
    assert "the bucket does not exist" in said
    assert not proxy.of("GET", ".tar")
    done = command("run", f"{place}/in", "s3://nosuch/o", "--run", tmp_path / "r", *recipe, environment=environment)
    assert "the bucket does not exist" in sentence(done, 4)
    assert not (tmp_path / "r").exists()


def test_nobody_answers(store, place, here):
    """At an address where nobody is, a run says so soon, and how the address is set."""
    environment = store.environment("http://127.0.0.1:9")
    said = sentence(command(*arguments(here, place), environment=environment), 3)
    assert "nobody answers at that address" in said
    assert "AWS_ENDPOINT_URL" in said


def test_options_of_the_recipe(store, proxy, place, here, tmp_path):
    """An address in the recipe is enough, reaches the workers, and stands nowhere in the result; nor do credentials."""
    environment = store.environment() | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        (here[0] / "recipe.yaml").read_text() + f"storage: {{s3: {{endpoint_url: '{proxy.endpoint}', retries: 2}}}}\n"
    )
    log = tmp_path / "log"
    places = (f"{place}/in", f"{place}/out")
    done = command("run", *places, "-r", recipe, "-w", "2", "--log-json", log, environment=environment)
    assert done.returncode == 0, done.stderr
    check(store, place, here)
    found = b"".join(store.contents(f"{place}/out").values()) + told(done, log).encode()
    for hidden in (KEY, SECRET, proxy.endpoint):
        assert hidden.encode() not in found
    other = command(
        *("export", f"{place}/out/run", f"{place}/second", "-s", f"storage.s3.endpoint_url={proxy.endpoint}"),
        environment=environment,
    )
    assert other.returncode == 0, other.stderr
    shards = {path: data for path, data in here[1].items() if path.endswith((".tar", "0.parquet"))}
    assert shards.items() <= same_everywhere(store.contents(f"{place}/second")).items() | {
        (path, data) for path, data in shards.items() if path.startswith("run/")
    }


def test_the_other_commands(store, proxy, place, here):
    """What is decided, exported, verified, reported, explained and taken out on the store is as it is here."""
    environment = store.environment(proxy.endpoint)

    def do(*arguments):
        done = command(*arguments, environment=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    do("score", f"{place}/in", f"{place}/run", "-r", here[0] / "recipe.yaml", "-w", "1")
    do("decide", f"{place}/run", "--report")
    do("export", f"{place}/run", f"{place}/out", "--format", "folder")
    assert json.loads(do("status", f"{place}/run", "--json"))["scored"] == 4
    do("verify", f"{place}/out", "--run", f"{place}/run")
    do("report", f"{place}/run")
    assert "a/001" in do("explain", f"{place}/run", "a/001")
    store.client().pipe_file(f"{place}/ids.txt", b"a/001\n")
    do("remove", f"{place}/out", "--ids", f"{place}/ids.txt")
    do("verify", f"{place}/out")
    store.client().pipe_file(f"{place}/recipe.yaml", (here[0] / "recipe.yaml").read_bytes())
    do("run", f"named={place}/in/a.tar", f"{place}/third", "-r", f"{place}/recipe.yaml", "--against", f"{place}/run")


def test_shards_at_once(store, proxy, place, here):
    """Two shares, one of them twice, begun together: the store lets one of them begin the run."""
    environment = {**os.environ, **store.environment(proxy.endpoint)}
    given = ("score", f"{place}/in", f"{place}/out/run", "-r", here[0] / "recipe.yaml", "-w", "1", "--shard")
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    begun = [subprocess.Popen(command_line(*given, shard), env=environment, **pipes) for shard in ("1/2", "2/2", "1/2")]
    for one in begun:
        said = one.communicate(timeout=300)[1]
        assert one.returncode == 0, said
    done = command(*arguments(here, place), environment=store.environment(proxy.endpoint))
    assert done.returncode == 0, done.stderr
    check(store, place, here)
