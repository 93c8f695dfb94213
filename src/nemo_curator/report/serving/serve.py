"""The whole of it: read a run, listen, and go on until somebody stops it."""

from __future__ import annotations

import secrets
import threading
from typing import Self

from nemo_curator.report.serving.server import ADDRESS, Server
from nemo_curator.report.serving.service import Decide, Service
from nemo_curator.runs.layout import RunDirectory

_EDITIONS = 10**11  # to draw from; the page reads them exactly


class Serving:
    """The page of a run, served. A context manager: it listens in between, in a thread of its own.

    Args:
        run: The run; it is decided.
        decide: Decides it by other rules.
        port: Where to listen; 0 for any port that is free.
        writes: Whether the page may change the recipe.
        edition: Number of the first edition, by which a browser keeps pictures: one that no other server had, unless
            it is given.

    Raises:
        InputError: The run is not decided or damaged, or the port cannot be used.
        OSError: A file of the run cannot be read.
        ValueError: `run.json` is not JSON.
        StorageError: There is no room for temporary files.
    """

    def __init__(
        self, run: RunDirectory, decide: Decide, *, port: int = 0, writes: bool = True, edition: int | None = None
    ) -> None:
        self.server = Server(port)
        try:
            first = secrets.randbelow(_EDITIONS) if edition is None else edition
            self.service = Service(run, decide, writes=writes, token=self.server.gate.token, edition=first)
        except BaseException:
            self.server.server_close()
            raise
        self.server.service = self.service
        self._thread = threading.Thread(target=self.server.serve_forever, name="view", daemon=True)

    @property
    def origin(self) -> str:
        """Where it listens, without the token."""
        return f"http://{ADDRESS}:{self.server.server_port}"

    @property
    def address(self) -> str:
        """What a person opens."""
        return f"{self.origin}/?token={self.server.gate.token}"

    def once(self) -> str:
        """The same for a program that others can see being started: it opens the page once."""
        return f"{self.origin}/?ticket={self.server.gate.ticket()}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.service.close()
        self.server.farewell()

    def work(self) -> None:
        """Make the decisions that the page asks for, in this thread, until Ctrl-C.

        Raises:
            KeyboardInterrupt: Ctrl-C while something was being decided.
        """
        self.service.jobs.work(self.service.do)
