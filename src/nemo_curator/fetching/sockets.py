"""Sockets of a fetch: to checked addresses alone, and counted; this machine's limits are no answer of a server."""

from __future__ import annotations

import errno
import socket
import weakref
from typing import Any

from nemo_curator import storage
from nemo_curator.errors import CuratorError
from nemo_curator.fetching.addresses import Network, parse_address, refusal
from nemo_curator.fetching.statuses import Trouble

_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class RefusedError(OSError):
    """No address of a host may be connected to, or it has none.

    Args:
        trouble: Why, as a status.
    """

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.reason)
        self.trouble = trouble


class Sockets:
    """Makes sockets; called with what `getaddrinfo` says of an address.

    Args:
        allowed: Networks that are allowed though they are not public.
    """

    def __init__(self, allowed: tuple[Network, ...]) -> None:
        self._allowed = allowed
        self._made: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._failure: OSError | None = None

    def __call__(self, info: Any) -> socket.socket:
        """A socket for an address.

        Raises:
            RefusedError: It may not be connected to.
            OSError: This machine has no more sockets.
        """
        family, kind, protocol, _, address = info
        found = parse_address(str(address[0]))
        why = "an address that cannot be read" if found is None else refusal(found, self._allowed)
        if why:
            raise RefusedError(Trouble("private_address", f"its host has {why}"))
        try:
            made = socket.socket(family, kind, protocol)
        except OSError as error:
            if error.errno in _OURS:
                self._failure = error  # kept, because what tries several addresses may tell of another one
            raise
        made.setblocking(False)
        self._made.add(made)
        return made

    @property
    def open(self) -> int:
        """How many are open."""
        return sum(one.fileno() >= 0 for one in self._made)

    def own_failure(self, error: BaseException) -> CuratorError | None:
        """What ends a fetch because this machine is at a limit of its own; None where a server is to blame.

        Args:
            error: What a request raised.
        """
        found = self._failure or own_error(error)
        return exhausted(found) if found else None


def own_error(error: BaseException | None) -> OSError | None:
    """What in an error, or in what it is raised from, says that this machine is at a limit of its own.

    Args:
        error: Any error.
    """
    for _ in range(8):  # a chain of causes is short
        inner = getattr(error, "os_error", None) or error
        if isinstance(inner, OSError) and inner.errno in _OURS:
            return inner
        error = error.__cause__ if error is not None else None
    return None


def exhausted(error: OSError) -> CuratorError:
    """The sentence about such a limit.

    Args:
        error: As `own_error` gives it.
    """
    return storage.storage_error("the network", error, verb="be reached")
