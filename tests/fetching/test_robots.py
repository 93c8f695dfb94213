"""A robots.txt that is made to be a burden."""

import asyncio
import threading

import pytest

from nemo_curator.fetching.robots import Robots
from nemo_curator.fetching.statuses import Trouble
from nemo_curator.fetching.urls import parse_url

MANY = "".join(f"User-agent: a{at}\n" for at in range(12_000)) + "User-agent: my*\n" + "Disallow: /no\n" * 12_000


def test_many_names_times_many_rules_are_few_and_stall_nobody():
    """Each rule is kept once for all other crawlers, ours are obeyed, and the work is done in another thread."""
    pytest.importorskip("protego", reason="Protego belongs to the extra fetch")

    async def read(*_):
        """The file."""
        return 200, MANY.encode()

    async def story():
        """What happens."""
        robots = Robots(read, "mybot")
        threads = set()
        parsed, robots._parsed = robots._parsed, lambda data: (threads.add(threading.get_ident()), parsed(data))[1]
        with pytest.raises(Trouble) as raised:
            await robots.check(parse_url("http://web.test/no/a.jpg"), None)
        assert raised.value.status == "robots_disallowed"
        assert await robots.check(parse_url("http://web.test/a.jpg"), None) == 0.0
        assert threading.get_ident() not in threads
        (rules,) = robots._known.values()
        assert sum(len(one._rules) for one in rules.parsed._user_agents.values()) <= 3 * 12_000
        assert robots._size >= 24_000 * 500

    asyncio.run(story())
