"""The inference process of a host: `python -m nemo_curator.backends.local.inference LIFELINE DESK NEWS THREADS`.

The first three are file descriptors. The main thread takes connections from the desk, a socket on which workers leave
them (see `serving` for the other threads); a daemon thread waits on the lifeline (see `start_up`). News tells the
supervisor of every model that was loaded and every turn that was computed, and by closing that the process has ended.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from functools import partial

from nemo_curator import storage
from nemo_curator.backends.local.messages import BEGUN, SERVED
from nemo_curator.backends.local.serving import InferenceServer
from nemo_curator.backends.local.start_up import keep_from_children, start_up


def main(lifeline_fd: int, desk_fd: int, news_fd: int, threads: int) -> None:
    """Serve the workers of one supervisor until it is gone."""
    start_up(lifeline_fd)
    storage.allow_many_files()  # every worker takes two for each model
    keep_from_children(lifeline_fd, desk_fd, news_fd)
    news = socket.socket(fileno=news_fd)
    news.setblocking(False)

    def tell(what: bytes) -> None:
        with contextlib.suppress(OSError):  # there is news enough that was not read yet, or nobody reads it
            news.send(what)

    tell(BEGUN)
    InferenceServer(threads, partial(tell, SERVED), partial(tell, BEGUN)).serve(socket.socket(fileno=desk_fd))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
