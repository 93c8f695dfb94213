"""How much memory a process counts on, in a container too."""

from __future__ import annotations

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ground.test_cores import WORDS, machine

from nemo_curator.machine_memory import least_memory, usable_memory

NONE = "9223372036854771712\n"  # how version 1 says that there is no limit


@given(st.integers(1, 10**15), st.lists(WORDS | st.just("9223372036854771712")))
def test_the_tightest_limit_counts(there, limits):
    """What is no number is no limit, nor is one above what there is."""
    numbers = [int(one) for one in limits if one.lstrip("-").isdigit() and int(one) > 0]
    assert least_memory(there, limits) == min([there, *numbers])


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        ("0::/\n", {"memory.max": "1000000\n"}),
        ("0::/a/b\n", {"a/memory.max": "1000000\n", "a/b/memory.max": "max\n"}),
        ("5:memory:/docker/a\n0::/\n", {"memory/memory.limit_in_bytes": "1000000\n"}),
        ("5:memory:/a\n", {"memory/a/memory.limit_in_bytes": "1000000\n", "memory/memory.limit_in_bytes": NONE}),
    ],
)
def test_the_limit_of_a_container_is_found(tmp_path, cgroup, files):
    """In both versions of control groups: its own, one around it, and the only one that a container sees."""
    assert usable_memory(machine(tmp_path, cgroup, files)) == 1_000_000


def test_without_a_limit_the_machine_counts(tmp_path):
    """Also where nothing can be read."""
    assert usable_memory(machine(tmp_path, "", {})) == psutil.virtual_memory().total
