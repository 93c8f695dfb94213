"""Places: one place is one, however it is spelled, and two places are two."""

from __future__ import annotations

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from nemo_curator.errors import InputError, OutputExistsError
from nemo_curator.pipeline.output import check_places
from nemo_curator.pipeline.places import path_inside, real_place
from nemo_curator.pipeline.semantic_places import Places
from nemo_curator.runs.layout import RunDirectory


class Buckets(MemoryFileSystem):
    """Object storage: the first part of a path is the bucket, and it has two schemes."""

    protocol = ("bucket", "bkt")

    @classmethod
    def _strip_protocol(cls, path):
        """As object stores do: nothing but the scheme and slashes at the end go."""
        for scheme in cls.protocol:
            path = path.removeprefix(f"{scheme}://")
        return path.rstrip("/")


class Hosts(MemoryFileSystem):
    """A server of files: its name is no part of the path."""

    protocol = "hosted"

    @classmethod
    def _strip_protocol(cls, path):
        """The path without the server."""
        return "/" + path.removeprefix("hosted://").partition("/")[2].strip("/")

    @staticmethod
    def _get_kwargs_from_urls(path):
        """The server."""
        return {"host": path.removeprefix("hosted://").partition("/")[0]}


@pytest.fixture(autouse=True, scope="module")
def kinds():
    """Both kinds of storage are known."""
    for scheme, kind in (("bucket", Buckets), ("bkt", Buckets), ("hosted", Hosts)):
        fsspec.register_implementation(scheme, kind, clobber=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("memory://x", "memory:///x"),
        ("memory://x/y/", "memory:///x/y"),
        ("bucket://b/x/", "bucket://b/x"),
        ("bkt://b/x", "bucket://b/x"),
        ("hosted://one/x/", "hosted://one//x"),
        ("nobody://a/b/", "nobody://a/b"),
        ("s3://b/x/", "s3://b/x"),
    ],
)
def test_one_place_in_two_spellings(one, other):
    """Where the storage says so; a kind that is not known or not installed has its own text, without slashes behind."""
    assert real_place(one) == real_place(other)
    assert path_inside(one, other) == ""
    assert path_inside(f"{one.rstrip('/')}/in/it", other) == "in/it"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("memory://x", "memory://xy"),
        ("bucket://b/x", "bucket://b//x"),
        ("bucket://b/x", "memory://b/x"),
        ("hosted://one/x", "hosted://two/x"),
        ("zip://x::memory://a", "zip://x::memory://b"),
    ],
)
def test_two_places(one, other):
    """A folder without a name is one to an object store; a host is part of the place; a file in a file has its own."""
    assert real_place(one) != real_place(other)
    assert path_inside(one, other) is None


def test_real_places_stand(tmp_path):
    """The one spelling of a place is its own."""
    for place in ("memory://x/y/", "bkt://b//x/", "hosted://one/x", "memory://", str(tmp_path), f"file://{tmp_path}/"):
        assert real_place(real_place(place)) == real_place(place)


def test_a_remote_input_is_never_the_output():
    """In whatever spelling: a run does not write where it reads, nor its run directory where its output is."""
    run = RunDirectory("memory:///out/run")
    check_places("memory://out", run, ["memory://in"])
    for given in ("memory:///out/", "memory://out/in", "memory:///"):
        with pytest.raises(OutputExistsError):
            check_places("memory://out", run, [given])
    with pytest.raises(OutputExistsError, match="are the same place"):
        check_places("memory:///out/run/", run, ["memory://in"])


def test_results_of_the_workflow_are_no_input():
    """However the place of the results is spelled; it is one root where cache and output are one place."""
    places = Places("memory://similar", "memory:///similar/")
    assert len(places.roots()) == 1
    with pytest.raises(InputError, match="outside of input_path"):
        places.refuse_as_input(["memory:///similar/pairwise_results/cluster-0.parquet"])
