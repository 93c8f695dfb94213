"""The inference process as the supervisor sees it: started when a stage wants it, and again when it dies.

Owned by the supervisor's thread alone.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from nemo_curator.backends.local.child import Child
from nemo_curator.backends.local.events import ModelsDied
from nemo_curator.backends.local.heartbeat import Memory
from nemo_curator.backends.local.messages import SERVED
from nemo_curator.backends.local.silence import MODEL_SECONDS, Silence
from nemo_curator.errors import ModelError

_DEATHS = 3  # in a row, without anything computed in between


class InferenceProcess:
    """A started inference process, or the next one.

    Workers reach it by the desk (`crew`), a socket that every next process inherits: a call that a dead process had not
    taken is answered by the next. Nothing of this has a name in the file system or the network, so that nobody else can
    call, and nothing is left behind.

    Args:
        desk: Descriptor of the end of the desk where it takes calls.
        threads: Threads that its models may use.
        seconds: Time that may pass without anything being computed or loaded, while workers wait for it.
        tell: Told of a process that died, when the next one is there.

    Attributes:
        news: Readable when there is something to `answer`.
    """

    def __init__(
        self,
        desk: int,
        threads: int,
        seconds: float = MODEL_SECONDS,
        tell: Callable[[ModelsDied], None] = lambda _: None,
    ) -> None:
        self._desk = desk
        self._threads = threads
        self._tell = tell
        self._seconds = seconds
        self._silence = Silence(seconds)
        self._stuck = ""
        self._deaths = 0
        self._child: Child | None = None
        self.news: socket.socket
        self._start()

    def answer(self) -> None:
        """Hear the news; a process that has died is replaced.

        Raises:
            ModelError: It died again and again.
        """
        try:
            news = self.news.recv(1 << 16)
        except ConnectionError:
            news = b""
        if news:
            self._silence.heard()
            self._deaths = 0 if SERVED in news else self._deaths
            return
        stuck, self._stuck = self._stuck, ""
        died = self._buried()
        how = stuck or died
        self._deaths += 1
        if self._deaths >= _DEATHS:
            raise ModelError(
                f"the process that runs the models {how}, {_DEATHS} times in a row",
                cause="a native library hangs" if stuck else "memory ran out, or a native library crashed",
                act="free memory, use fewer workers or a smaller model, and run the same command again: "
                "it goes on where it stopped",
            )
        self._start()
        self._tell(ModelsDied(how))

    def end_if_stuck(self, now: float, *, waiting: bool) -> None:
        """End a process that gives nothing though it is waited for; `answer` then replaces it as one that died.

        Args:
            now: Seconds of a clock that only goes forward.
            waiting: Whether a worker waits for it at this moment.
        """
        if self._child is not None and self._silence.is_too_long(now, waiting=waiting):
            self._stuck = f"was ended, because it gave nothing for {self._seconds:g} seconds"
            self._silence.heard()
            self._child.kill()

    def memory(self) -> Memory:
        """Memory that the process has now; nothing where there is none."""
        return self._child.memory() if self._child is not None else (0, 0)

    def end(self) -> None:
        """Nobody needs it any more; it owns nothing that would have to be put in order."""
        if self._child is not None:
            self._child.kill()
            self._buried()

    def _start(self) -> None:
        with contextlib.ExitStack() as opened:
            ours, theirs = socket.socketpair()
            opened.callback(theirs.close)
            opened.callback(ours.close)
            self._child = Child(
                "nemo_curator.backends.local.inference",
                (self._desk, theirs.fileno()),
                self._threads,
                str(self._threads),
            )
            self.news = ours.dup()
        self._silence.heard()

    def _buried(self) -> str:
        child, self._child = self._child, None
        self.news.close()
        return child.bury() if child is not None else "is gone"
