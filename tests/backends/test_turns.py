"""Who is served next by the inference process."""

from __future__ import annotations

import threading
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.backends.local.turns import Batch, Turnstile, choose, pictures_a_turn

MOST = 10

arrivals = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 6 * MOST)),  # turns that pass before it arrives, pictures
    min_size=1,
    max_size=12,
)


def simulate(arrivals):
    """Serve batches as they arrive: of each turn, (batch, those that waited); batches are known by their number."""
    coming = list(enumerate(arrivals))
    waiting: list[Batch] = []
    numbers: dict[Batch, int] = {}
    overtook, pause, turns = False, 0, []
    while coming or waiting:
        while coming and (pause >= coming[0][1][0] or not waiting):
            number, (_, pictures) = coming.pop(0)
            batch = Batch(pictures, MOST)
            numbers[batch] = number
            waiting.append(batch)
            pause = 0
        chosen = choose(waiting, overtook=overtook)
        overtook = chosen is not waiting[0]
        turns.append((numbers[chosen], [(numbers[one], one.left) for one in waiting]))
        chosen.left -= min(MOST, chosen.left)
        if not chosen.left:
            waiting.remove(chosen)
        pause += 1
    return turns


@given(arrivals)
def test_everybody_is_served_in_as_few_turns_as_it_takes(arrivals):
    """Each batch gets the turns that its pictures need, and no more."""
    turns = [number for number, _ in simulate(arrivals)]
    assert {number: turns.count(number) for number in turns} == {
        number: -(-pictures // MOST) for number, (_, pictures) in enumerate(arrivals)
    }


@given(arrivals)
def test_the_oldest_gets_every_second_turn(arrivals):
    """Short batches never hold up the one that waits longest for more than one turn."""
    turns = simulate(arrivals)
    for (one, waiting), (other, still) in pairwise(turns):
        if waiting[0][0] == still[0][0]:
            assert waiting[0][0] in (one, other)


@given(arrivals)
def test_a_single_image_waits_for_two_turns_a_worker(arrivals):
    """However much the others want, a short batch waits for two turns for each of those that were there before."""
    turns = simulate(arrivals)
    for number, (_, pictures) in enumerate(arrivals):
        if pictures > MOST:
            continue
        waited = [waiting for _, waiting in turns if number in [one for one, _ in waiting]]
        before = [one for one, _ in waited[0]].index(number)
        assert len(waited) <= 2 * before + 2


def test_one_at_a_time_and_in_order():
    """Threads that stand in the queue come out one at a time, the first first."""
    turnstile, order, inside = Turnstile(), [], []
    queued = [threading.Event() for _ in range(3)]

    def stand(number):
        with turnstile.queued(2 * MOST, MOST) as batch:
            queued[number].set()
            while batch.left:
                with turnstile.turn(batch):
                    inside.append(number)
                    assert inside == [number]
                    order.append(number)
                    inside.clear()
                batch.left -= MOST

    with turnstile.queued(1, MOST) as first, turnstile.turn(first):
        threads = []
        for number in range(3):
            threads.append(threading.Thread(target=stand, args=(number,)))
            threads[-1].start()
            assert queued[number].wait(20)
    for thread in threads:
        thread.join(20)
    assert sorted(order) == [0, 0, 1, 1, 2, 2]
    assert order[0] == 0


def test_who_gives_up_holds_up_nobody():
    """A batch that leaves the queue without its turn, because its worker died, is not waited for."""
    turnstile = Turnstile()
    with turnstile.queued(3 * MOST, MOST):
        pass
    with turnstile.queued(1, MOST) as batch, turnstile.turn(batch):
        pass


@given(st.integers(1, 1000), st.integers(1, 64))
def test_a_turn_occupies_every_thread(threads, batch):
    """Each thread has a picture, and a model that takes several at once is not left half empty."""
    turn = pictures_a_turn(threads, batch)
    assert max(threads, 10) <= turn < max(threads, 10) + batch
    assert turn % batch == 0


def test_as_many_as_there_are_lanes():
    """Two threads are inside at a time where there are two lanes, and never a third."""
    turnstile, inside = Turnstile(lanes=2), threading.Semaphore(2)
    both = threading.Barrier(2, timeout=20)

    def stand():
        with turnstile.queued(1, MOST) as batch, turnstile.turn(batch):
            assert inside.acquire(blocking=False)
            both.wait()
            inside.release()

    threads = [threading.Thread(target=stand) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
