"""A web server that answers every request with one of some pictures, as fast as Python can.

`picture_server.py PICTURES BYTES` prints its port, and serves until its standard input ends. A URL `/N.jpg` is picture
N of so many; there is no robots.txt.
"""

from __future__ import annotations

import asyncio
import io
import sys

import numpy as np
from PIL import Image


def pictures(count: int, size: int) -> list[bytes]:
    """Small JPEGs, each with as many bytes behind it as make it so long."""
    found = []
    for at in range(count):
        file = io.BytesIO()
        pixels = np.random.default_rng(at).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file, "JPEG")
        body = file.getvalue().ljust(size, b"\0")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
        found.append(head.encode() + body)
    return found


class Answering(asyncio.Protocol):
    """One connection."""

    answers: list[bytes]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.held = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer each whole request."""
        self.held += data
        while b"\r\n\r\n" in self.held:
            head, _, self.held = self.held.partition(b"\r\n\r\n")
            name = head.split(b" ", 2)[1].strip(b"/").removesuffix(b".jpg")
            if name.isdigit():
                self.transport.write(self.answers[int(name) % len(self.answers)])
            else:
                self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


async def serve() -> None:
    """Serve until standard input ends."""
    Answering.answers = pictures(int(sys.argv[1]), int(sys.argv[2]))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
