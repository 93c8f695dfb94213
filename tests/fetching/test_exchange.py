"""One answer, whose connection ends before its body does."""

import asyncio
from types import SimpleNamespace

import pytest

from nemo_curator.fetching.exchange import _ends_with_its_connection
from nemo_curator.fetching.statuses import Trouble


def test_a_body_ends_with_its_connection():
    """Before or while it is waited for: the answer is no valid HTTP, and nobody waits for more of it."""
    aiohttp = pytest.importorskip("aiohttp", reason="aiohttp belongs to the extra fetch")
    from aiohttp.base_protocol import BaseProtocol

    async def read(closed):
        """What comes of a body of which there is nothing yet."""
        loop = asyncio.get_running_loop()
        protocol = BaseProtocol(loop)
        protocol.transport = asyncio.Transport()  # it stands, for who reads
        content = aiohttp.StreamReader(protocol, 2**16, loop=loop)
        connection = SimpleNamespace(protocol=SimpleNamespace(closed=closed(loop)))
        with _ends_with_its_connection(SimpleNamespace(connection=connection, content=content)):
            return await asyncio.wait_for(content.read(), 10)

    def closes_soon(loop):
        """A connection that is closed while the body is waited for."""
        closed = loop.create_future()
        loop.call_soon(closed.set_result, None)
        return closed

    for closed in (closes_soon, lambda _: None):
        with pytest.raises(Trouble) as told:
            asyncio.run(read(closed))
        assert told.value.status == "bad_response"
