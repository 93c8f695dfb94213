"""How often a host is asked."""

import asyncio
import itertools

import pytest

from nemo_curator.fetching.manners import Manners


def run(story):
    """Let a story happen in an event loop of its own, and end it where it hangs."""
    return asyncio.run(asyncio.wait_for(story(), 60))


def test_no_host_has_more_than_its_share():
    """Two at a time of each host are handed out, whatever waits; the next when one left."""

    async def story():
        """What happens."""
        manners = Manners(2, 0.0)
        for at in range(5):
            manners.put("a", at)
        manners.put("b", 9)
        taken = [await manners.take() for _ in range(3)]
        assert sorted(taken) == [("a", 0), ("a", 1), ("b", 9)]
        later = asyncio.ensure_future(manners.take())
        await asyncio.sleep(0.01)
        assert not later.done()
        manners.leave("a")
        assert await later == ("a", 2)

    run(story)


def test_time_passes_between_two_requests():
    """The beginnings of requests to one host are apart by the delay, also within a turn."""

    async def story():
        """What happens."""
        loop, manners = asyncio.get_running_loop(), Manners(3, 0.05)
        times = []
        for at in range(3):
            manners.put("a", at)
        for _ in range(3):
            await manners.take()
            times.append(loop.time())
        await manners.pace("a")
        times.append(loop.time())
        assert all(after - before >= 0.049 for before, after in itertools.pairwise(times))

    run(story)


def test_a_host_that_asks_for_rest_is_left_alone():
    """After a Retry-After no job of the host is handed out for that long, and others are."""

    async def story():
        """What happens."""
        loop, manners = asyncio.get_running_loop(), Manners(2, 0.0)
        manners.put("a", 1)
        await manners.take()
        manners.hold_back("a", 0.1)
        asked = loop.time()
        manners.put("a", 2)
        manners.put("b", 3)
        assert await manners.take() == ("b", 3)
        assert await manners.take() == ("a", 2)
        assert loop.time() - asked >= 0.099

    run(story)


def test_a_job_may_go_to_another_host_and_comes_first_there():
    """A redirect waits for a turn at the other host, before jobs that did not begin yet."""

    async def story():
        """What happens."""
        manners = Manners(1, 0.0)
        for name, job in (("a", 1), ("b", 2), ("b", 3)):
            manners.put(name, job)
        assert [await manners.take(), await manners.take()] == [("a", 1), ("b", 2)]
        manners.leave("a")
        turn = asyncio.ensure_future(manners.enter("b"))
        await asyncio.sleep(0.01)
        assert not turn.done()
        manners.leave("b")
        await turn
        manners.leave("b")
        assert await manners.take() == ("b", 3)

    run(story)


def test_a_turn_that_nobody_waits_for_is_given_on():
    """A job that is ended while it waits at another host leaves no turn taken behind."""

    async def story():
        """What happens."""
        manners = Manners(1, 0.0)
        manners.put("b", 1)
        await manners.take()
        turn = asyncio.ensure_future(manners.enter("b"))
        await asyncio.sleep(0)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        manners.put("b", 2)
        manners.leave("b")
        assert await manners.take() == ("b", 2)

    run(story)


def test_a_turn_that_was_not_used_is_taken_back():
    """Only a turn in which something was asked makes the next job wait, and only the last one can be taken back."""

    async def story():
        """What happens."""
        manners = Manners(2, 1000.0)
        for job in (1, 2, 3):
            manners.put("a", job)
        for job in (1, 2):
            assert await manners.take() == ("a", job)
            manners.leave("a", manners.turn_of("a"))
        assert await manners.take() == ("a", 3)
        earlier = manners.turn_of("a")
        manners.hold_back("a", 1.0)
        manners.leave("a", earlier)
        manners.put("a", 4)
        assert manners._hosts["a"].next_at > asyncio.get_running_loop().time() + 900

    run(story)


def test_hosts_without_work_are_forgotten():
    """What is kept does not grow with the number of hosts."""

    async def story():
        """What happens."""
        manners = Manners(2, 0.0)
        for at in range(50):
            manners.put(f"host-{at}", at)
        for _ in range(50):
            name, _ = await manners.take()
            manners.leave(name)
        await asyncio.sleep(0.05)
        assert manners._hosts == {}

    run(story)
