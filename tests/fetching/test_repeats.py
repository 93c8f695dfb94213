"""Rows whose URL came before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.fetching import repeats
from nemo_curator.fetching.repeats import Repeats, find_repeats, read_repeats, write_repeats


@given(st.lists(st.integers(0, 12), max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_each_repeat_knows_the_first_row(tmp_path_factory, urls, start, stop):
    """A row is a repeat exactly where an earlier row has its URL, and it knows the earliest."""
    folder = tmp_path_factory.mktemp("repeats")
    first = {}
    expected = {at: first[url] for at, url in enumerate(urls) if first.setdefault(url, at) != at}
    found = Repeats(find_repeats(((at, f"http://a/{url}") for at, url in enumerate(urls)), str(folder)))
    assert len(found) == len(expected)
    assert found.between(0, len(urls)) == expected
    assert found.between(start, stop) == {row: before for row, before in expected.items() if start <= row < stop}
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("count", [0, 1, 5000])
def test_they_are_kept_in_a_file(tmp_path, monkeypatch, count):
    """What was found is read back, of no repeat, of one and of many, also where hashes went over files."""
    monkeypatch.setattr(repeats, "_PENDING", 64)
    found = find_repeats(
        ((at, "http://a" if at <= count else f"http://{at}") for at in range(count + 9)), str(tmp_path)
    )
    write_repeats(str(tmp_path / "found.npy"), found)
    again = read_repeats(str(tmp_path / "found.npy"))
    assert again is not None
    assert again.between(0, count + 9) == dict.fromkeys(range(1, count + 1), 0)


def test_what_is_no_such_file_is_none(tmp_path):
    """A file that is missing or torn is found again, not believed."""
    assert read_repeats(str(tmp_path / "gone.npy")) is None
    (tmp_path / "torn.npy").write_bytes(b"\x93NUMPY")
    assert read_repeats(str(tmp_path / "torn.npy")) is None
