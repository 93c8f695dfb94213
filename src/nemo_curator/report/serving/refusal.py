"""Why a request gets no answer: a status of HTTP, and one sentence that the page shows."""

from __future__ import annotations

from http import HTTPStatus


class RefusedError(Exception):
    """A request that is not answered. It never leaves this room.

    Args:
        status: The status of the response.
        sentence: What is wrong with it.
    """

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
