from __future__ import annotations

import logging
import threading
import warnings

import pytest

from nemo_curator.codecs.listening import listening


def test_warnings_are_heard_and_not_raised():
    """Inside, a warning is a text, even where the process turns warnings into errors."""
    with listening() as heard:
        warnings.warn("something odd", UserWarning, stacklevel=1)
    assert heard == ["something odd"]


def test_outside_nothing_changes():
    """After the block, and in other threads during it, warnings go where the user sends them."""
    with listening():
        pass
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)


def test_other_threads_keep_their_warnings():
    """A warning in a thread that does not listen is not swallowed."""
    raised: list[str] = []

    def elsewhere() -> None:
        try:
            warnings.warn("theirs", UserWarning, stacklevel=1)
        except UserWarning as error:  # pytest turns warnings into errors
            raised.append(str(error))

    with listening() as heard:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert raised == ["theirs"]
    assert heard == []


def test_log_records_are_heard(caplog):
    """What Pillow logs as an error is heard instead of printed; debug records pass."""
    logger = logging.getLogger("PIL.TiffImagePlugin")
    with listening() as heard, caplog.at_level(logging.DEBUG, logger.name):
        logger.error("too many samples: %s", 9)
        logger.debug("detail")
    assert heard == ["too many samples: 9"]
    assert [record.message for record in caplog.records] == ["detail"]
    logger.error("outside")
    assert caplog.records[-1].message == "outside"


def test_blocks_nest():
    """The inner block hears its own part, the outer one hears everything."""
    with listening() as outer:
        warnings.warn("one", stacklevel=1)
        with listening() as inner:
            warnings.warn("two", stacklevel=1)
        warnings.warn("three", stacklevel=1)
    assert (outer, inner) == (["one", "two", "three"], ["two"])


def test_one_filter_is_installed_however_often():
    """Listening a thousand times leaves one entry in the list of filters."""
    with listening():
        before = len(warnings.filters)
    for _ in range(1000):
        with listening():
            pass
    assert len(warnings.filters) == before
