"""A process's share of a budget: when it asks, for how much, and when it gives back."""

from __future__ import annotations

import threading

import pytest

from nemo_curator.codecs.memory_share import MemoryShare


@pytest.fixture
def told():
    """What the share said to whoever it asks, in order."""
    return []


@pytest.fixture
def share(told):
    """100 bytes of its own, images of up to 1,000."""
    share = MemoryShare()
    share.settle(100, 1000, told.append, lambda: told.append("back"))
    return share


def test_a_small_image_asks_nobody(share, told):
    """Files and decoding together are within the own share."""
    share.read(40)
    with share.lent(60):
        assert share.room == 60
    share.release()
    assert told == []


def test_a_large_image_keeps_its_turn_until_it_is_gone(share, told):
    """It asks once for what is beyond the own share, and gives that back when it is released, not before."""
    share.read(40)
    with share.lent(80):
        assert (told, share.room) == ([20], 80)
    assert told == [20]
    share.release()
    share.release()
    assert told == [20, "back"]


def test_files_that_are_large_get_room_for_anything(share, told):
    """How much decoding takes is not known yet, and nobody asks for more while it holds something."""
    share.read(50)
    share.read(101)
    with share.lent(700):
        assert told == [900]
    share.release()
    assert told == [900, "back"]


def test_nobody_waits_while_it_holds_something(share, told):
    """A decoder that takes more than its header said gives back before it asks for more."""
    share.read(10)
    with share.lent(150):
        pass
    with share.lent(900):
        pass
    share.release()
    assert told == [60, "back", 810, "back"]


def test_decoding_outside_of_a_reader_gives_back_at_once(share, told):
    """A stage that decodes for itself holds a turn while it does so."""
    with share.lent(300):
        assert told == [200]
    assert told == [200, "back"]


def test_nobody_asks_for_more_than_an_image_may_take(share, told):
    """What is over the limit is refused elsewhere."""
    with share.lent(5000):
        assert told == [900]


def test_after_a_death_every_image_gets_all(share, told):
    """So that no image is blamed for what a share did."""
    share.careful = True
    share.read(1)
    with share.lent(1):
        assert told == [900]


def test_threads_do_not_ask(share, told):
    """The conversation with the supervisor belongs to the main thread."""
    thread = threading.Thread(target=lambda: share.read(500))
    thread.start()
    thread.join()
    assert told == []


def test_without_a_budget_nothing_is_asked():
    """In a user's own process, and where every image fits the own share."""
    share = MemoryShare()
    share.read(10**15)
    with share.lent(10**15):
        assert not share.bounds
    share.release()
