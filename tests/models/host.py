"""An inference process that is a thread of this one."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager

from nemo_curator.backends.local.serving import InferenceServer
from nemo_curator.models.remote import address_of


class Host:
    """A desk, and a thread that serves it or lets callers down."""

    def __init__(self):
        """Nobody is at the desk yet."""
        self.callers, self.desk = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.turns = 0
        self._thread = None

    @property
    def address(self):
        """For clients of this process."""
        return address_of(self.callers.fileno())

    def serve(self, threads=1, deaths=0):
        """Take calls; the first ones are not answered, as by processes that die."""

        def work():
            for _ in range(deaths):
                _, (descriptor,), _, _ = socket.recv_fds(self.desk, 1, 1)
                os.close(descriptor)
            InferenceServer(threads, self._count).serve(self.desk)

        self._thread = threading.Thread(target=work)
        self._thread.start()

    def _count(self):
        """One more turn."""
        self.turns += 1

    def close(self):
        """Go home."""
        self.desk.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(20)
            assert not self._thread.is_alive()
        self.callers.close()
        self.desk.close()


@contextmanager
def hosting():
    """A host, which goes home afterwards."""
    host = Host()
    try:
        yield host
    finally:
        host.close()
