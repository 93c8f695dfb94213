"""Another try, a little later, where it may go well: the only place that tries again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from nemo_curator.storage.trouble import Trouble, trouble_of

T = TypeVar("T")

TRIES = 8
"""Further tries of one request, unless the recipe says otherwise: they take some 45 seconds together."""

_FIRST, _LONGEST = 0.2, 20.0  # seconds before the first further try, and at most
_UNHEARD = 2  # further tries where nobody ever answered at an address: it is rather misspelt


@dataclass(slots=True)
class Patience:
    """How often to try again with one storage.

    Attributes:
        tries: Further tries of one request.
        heard: Whether it ever answered.
        pause: Waits so many seconds.
    """

    tries: int = TRIES
    heard: bool = False
    pause: Callable[[float], None] = time.sleep

    def again(self, trouble: Trouble, tried: int) -> float | None:
        """Seconds after which to try again; None for never.

        Args:
            trouble: What went wrong.
            tried: How many further tries there were.
        """
        most = self.tries if self.heard or trouble is not Trouble.SILENT else min(self.tries, _UNHEARD)
        if trouble not in {Trouble.PASSING, Trouble.SILENT} or tried >= most:
            return None
        return float(min(_FIRST * 2**tried, _LONGEST))


def patiently(ask: Callable[[], T], patience: Patience) -> T:
    """What a request comes to, after further tries where it needs them.

    Args:
        ask: Makes the request; it may be made more than once.
        patience: How often.

    Raises:
        Exception: What the last try raised.
    """
    tried = 0
    while True:
        try:
            found = ask()
        except Exception as error:
            trouble = trouble_of(error)
            patience.heard = patience.heard or trouble is not Trouble.SILENT
            wait = patience.again(trouble, tried)
            if wait is None:
                raise
        else:
            patience.heard = True
            return found
        # many that were refused at one moment must not come back at one moment
        patience.pause(wait * (0.5 + os.urandom(1)[0] / 512))
        tried += 1
