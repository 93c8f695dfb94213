"""The way from the thread that reads to the thread that writes."""

from __future__ import annotations

import threading

import pytest

from nemo_curator.runs.exporting import feed
from nemo_curator.runs.exporting.feed import AbandonedError, Feed


def test_pieces_come_in_order_and_bounded(monkeypatch):
    """All pieces arrive in order, and no more bytes wait than there is room for."""
    monkeypatch.setattr(feed, "ROOM", 10)
    way, waiting, most = Feed(), 0, 0
    lock = threading.Lock()

    def put():
        nonlocal waiting, most
        for number in range(200):
            way.put(number, 3)
            with lock:
                waiting += 3
                most = max(most, waiting)
        way.end()

    thread = threading.Thread(target=put)
    thread.start()
    found = []
    for number in way:
        with lock:
            waiting -= 3
        found.append(number)
    thread.join()
    assert found == list(range(200))
    assert most <= 12  # a piece that was just taken may not be counted off yet


def test_a_piece_that_is_larger_than_the_room():
    """One large piece alone passes."""
    way = Feed()
    way.put("large", feed.ROOM * 2)
    way.end()
    assert list(way) == ["large"]


def test_giving_up_ends_both_sides(monkeypatch):
    """Who waits to put and who waits to take both learn that the other gave up."""
    monkeypatch.setattr(feed, "ROOM", 1)
    way, ended = Feed(), []

    def put():
        try:
            for number in range(5):
                way.put(number, 1)
        except AbandonedError:
            ended.append(True)

    thread = threading.Thread(target=put)
    thread.start()
    assert next(iter(way)) == 0
    way.abandon()
    thread.join()
    assert ended == [True]
    with pytest.raises(AbandonedError):
        next(iter(way))
