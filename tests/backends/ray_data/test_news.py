"""What seats tell while they are at work, and what the driver makes of it."""

from __future__ import annotations

from nemo_curator.backends.local.events import ClusterSilent, Pulse, WorkerDied
from nemo_curator.backends.ray_data.news import Condemned, Happened, Ledger, Mark, News, Read, RemoteNews


def ledger():
    """(A ledger, what it told of records, what it told of images)."""
    read, given_up = [], []
    return Ledger(lambda *told: read.append(told), lambda *told: given_up.append(told)), read, given_up


def test_news_are_taken_once():
    """In the order in which they were told."""
    news = News()
    news.tell([Read(0, "x", 3)])
    news.tell([Condemned(1, "a", "why"), Read(1, "y", 2)])
    mark, events = news.since(Mark())
    assert events == [Read(0, "x", 3), Condemned(1, "a", "why"), Read(1, "y", 2)]
    assert news.since(mark) == (mark, [])
    news.tell([Read(1, "y", 1)])
    assert news.since(mark)[1] == [Read(1, "y", 1)]


def test_news_that_were_sent_and_never_arrived_are_sent_again():
    """Whoever asks with the mark that they had hears all that came after it, once more and more."""
    news = News()
    news.tell([Condemned(1, "a", "why")])
    mark, _ = news.since(Mark())
    news.tell([Condemned(1, "b", "why")])
    news.since(mark)  # the answer is lost
    news.tell([Read(1, "y", 2)])
    assert news.since(mark)[1] == [Condemned(1, "b", "why"), Read(1, "y", 2)]


def test_an_actor_that_was_started_again_tells_from_its_beginning():
    """Its numbers have nothing to do with those of the one before."""
    before, after = News(), News()
    before.tell([Read(0, "x", 3)] * 5)
    mark, _ = before.since(Mark())
    after.tell([Read(0, "x", 1)])
    mark, events = after.since(mark)
    assert events == [Read(0, "x", 1)]
    after.tell([Read(0, "x", 2)])
    assert after.since(mark)[1] == [Read(0, "x", 2)]


def test_a_later_try_knows_what_was_given_up():
    """Images, not the partition as a whole, whose verdict is about what was not through yet; and how many tries."""
    news = News()
    assert news.begin(1) == (0, {})
    news.tell([Condemned(1, "a", "why"), Condemned(1, "", "why"), Condemned(2, "b", "why")])
    assert news.begin(1) == (1, {"a": "why"})
    assert news.begin(2) == (0, {"b": "why"})


def test_records_are_told_once_over_all_tries():
    """A try that starts over is silent until it is further than the last one was."""
    book, read, _ = ledger()
    book.enter([Read(0, "x", 3), Read(0, "x", 3), Read(1, "z", 1)])
    book.enter([Read(0, "y", 4)])
    book.enter([Read(0, "y", 4), Read(0, "y", 1)])
    assert read == [(0, 3), (0, 3), (1, 1), (0, 2), (0, 1)]


class Line:
    """An actor behind a line that can be cut."""

    def __init__(self):
        """Whole."""
        self.news = News()
        self.cut = False
        self.since = self

    def remote(self, mark):
        """What it would answer."""
        return self.news.since(mark)

    def answer(self, given):
        """Nothing, where the line is cut."""
        return None if self.cut else given


def test_a_silent_cluster_is_told_of_once_in_each_silence():
    """Not before it was waited for, and what was told meanwhile is heard afterwards."""
    line = Line()
    desk, patient = RemoteNews(line, line.answer, patience=0), RemoteNews(line, line.answer)
    assert desk.take() == []
    for silence in range(2):
        line.cut = True
        (told,) = desk.take()
        assert isinstance(told.event, ClusterSilent)
        assert desk.take() == patient.take() == []
        line.cut = False
        line.news.tell([Read(silence, "x", 1)])
        assert desk.take() == [Read(silence, "x", 1)]


def test_late_news_of_a_partition_that_is_done():
    """A second try of the same partition, of which nobody wants anything any more, tells nothing new."""
    book, read, _ = ledger()
    book.enter([Read(0, "x", 6)])
    book.forget(0)
    book.enter([Read(0, "y", 6)])
    assert read == [(0, 6)]


def test_signs_of_life_are_added_up():
    """What all seats have together is told; what else happens, as it is."""
    told = []
    book = Ledger(print, print, told.append)
    died = WorkerDied("x/worker-0", "was killed", "", "x/worker-1")
    book.enter([Happened("x", Pulse(2, 100)), Happened("y", Pulse(3, 50)), Happened("x", died)])
    book.enter([Happened("x", Pulse(1, 70))])
    assert told == [Pulse(2, 100), Pulse(5, 150), died, Pulse(4, 120)]


def test_an_image_is_given_up_once():
    """Though several tries tell of it."""
    book, _, given_up = ledger()
    book.enter([Condemned(0, "a", "first"), Condemned(0, "a", "second"), Condemned(1, "a", "third")])
    assert given_up == [(0, "a", "first"), (1, "a", "third")]
