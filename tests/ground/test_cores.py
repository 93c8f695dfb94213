"""How many cores a process counts on, in a container too."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.cores import least_cores, usable_cores

WORDS = st.sampled_from(["max", "-1", "0", "", "x"]) | st.integers(-1, 10**9).map(str)


@pytest.mark.parametrize(
    ("quotas", "cores"),
    [
        ([], 8),
        ([("max", "100000")], 8),
        ([("-1", "100000")], 8),
        ([("200000", "100000")], 2),
        ([("250000", "100000")], 3),
        ([("10000", "100000")], 1),
        ([("1600000", "100000")], 8),
        ([("400000", "100000"), ("max", "100000"), ("150000", "100000")], 2),
        ([("", ""), ("x", "100000"), ("100000", "0")], 8),
    ],
)
def test_the_tightest_quota_counts(quotas, cores):
    """Rounded up and at least one; what is no number is no limit."""
    assert least_cores(8, quotas) == cores


@given(st.integers(1, 256), st.lists(st.tuples(WORDS, WORDS)))
def test_never_none_and_never_more_than_there_are(there, quotas):
    """Whatever the system writes."""
    assert 1 <= least_cores(there, quotas) <= there


def machine(root, cgroup, files):
    """A machine's files: what control groups this process is in, and what is said of them."""
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "self" / "cgroup").write_text(cgroup)
    for name, text in files.items():
        path = root / "sys" / "fs" / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        ("0::/\n", {"cpu.max": "10000 100000\n"}),
        ("0::/a/b\n", {"a/cpu.max": "10000 100000\n", "a/b/cpu.max": "max 100000\n"}),
        ("0::/../other\n", {"cpu.max": "10000 100000\n"}),
        (
            "5:memory:/a\n4:cpu,cpuacct:/docker/a\n0::/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "10000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
        ),
        (
            "4:cpu:/docker/a\n",
            {"cpu/docker/a/cpu.cfs_quota_us": "10000\n", "cpu/docker/a/cpu.cfs_period_us": "100000\n"},
        ),
    ],
)
def test_the_quota_of_a_container_is_found(tmp_path, cgroup, files):
    """In both versions of control groups: its own, one around it, and the only one that a container sees."""
    assert usable_cores(machine(tmp_path, cgroup, files)) == 1


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [("", {}), ("what is this\n", {}), ("0::/\n", {"cpu.max": "max 100000\n"}), ("0::/\n", {"cpu.max": "\xff"})],
)
def test_without_a_quota_all_cores_count(tmp_path, cgroup, files):
    """Also where nothing can be read."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert usable_cores(machine(tmp_path, cgroup, files)) == there
