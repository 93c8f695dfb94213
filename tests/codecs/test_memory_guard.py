"""The bound on the memory of one image, inside a process that is armed for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nemo_curator.codecs.limits import Limits, check
from nemo_curator.codecs.memory_guard import guarded
from nemo_curator.codecs.memory_need import decoding_bytes
from nemo_curator.errors import DecodeError, LimitError
from nemo_curator.kernels.header import ImageHeader

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the bound is one that only Linux counts")

BEGIN = """
import resource, sys
import numpy as np
from nemo_curator.codecs import memory_guard
from nemo_curator.codecs.memory import keep_freed_memory
from nemo_curator.codecs.memory_guard import guarded
from nemo_curator.errors import LimitError
keep_freed_memory()
assert memory_guard.arm()
take = lambda size: np.ones(size, np.uint8).nbytes
"""


def said(code: str) -> str:
    """What a process of its own prints."""
    done = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@linux
def test_too_much_is_a_limit_error():
    """The message has the limit and says how to raise it."""
    text = said("""
try:
    guarded(lambda: take(300_000_000), 100_000_000)
except LimitError as error:
    print(error)
""")
    assert text.startswith("its decoder takes more memory than the limit of 100,000,000 bytes; ")
    assert text.endswith("raise limits.memory in the recipe to admit it")


@linux
def test_enough_is_enough():
    """Work within the bound is done, and the process has no bound afterwards."""
    assert said("print(guarded(lambda: take(90_000_000), 100_000_000), take(900_000_000))") == "90000000 900000000"


@linux
def test_the_answer_does_not_depend_on_earlier_images():
    """Memory that was freed and kept by the process admits nothing that a new process would refuse, nor the reverse."""
    verdict = """
def verdict(size):
    try:
        return guarded(lambda: take(size * 1_000_000), 240_000_000)
    except LimitError:
        return "refused"
print([verdict(size) for size in sizes])
"""
    for sizes in ([260], [300], [230], [200]):
        cold = said(f"sizes = {sizes}\n{verdict}")
        for before in ([30] * 20, [200, 150, 120], [1, 31, 30, 29]):
            warm = (
                f"for size in {before}: take(size * 1_000_000)\nkept = [take(size * 1_000_000) for size in {before}]\n"
            )
            assert said(f"{warm}sizes = {sizes}\n{verdict}") == cold
        assert cold == ("['refused']" if sizes[0] > 240 else f"[{sizes[0] * 1_000_000}]")


@linux
def test_an_honest_image_is_never_refused():
    """What a header announces, within the limit, is given whatever the process holds."""
    text = said("""
for size in (30, 60, 90):
    take(size * 1_000_000)
print(guarded(lambda: take(99_000_000), 100_000_000, 100_000_000))
""")
    assert text == "99000000"


@linux
def test_other_errors_pass_unchanged():
    """Only memory that ran out is a limit."""
    assert "ZeroDivisionError" in said("""
try:
    guarded(lambda: 1 / 0, 10_000_000)
except Exception as error:
    print(type(error).__name__)
print(resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY)
""")


@pytest.mark.parametrize("text", ["Failed to decode image: Out of memory", "std::bad_alloc", "decoder error -9"])
def test_a_decoder_that_says_so_in_words_is_understood(text):
    """Native decoders report memory in texts of their own."""

    def decoder() -> None:
        raise RuntimeError(text)

    with pytest.raises(LimitError, match=r"more memory than the limit of 5,000"):
        guarded(decoder, 5_000)


@pytest.mark.parametrize("text", ["decoder error -2", "Memory allocation error: Security limit exceeded: 60000"])
def test_other_words_are_no_limit_of_ours(text):
    """A library's own limits, and other numbers of errors, are what they are."""

    def decoder() -> None:
        raise RuntimeError(text)

    with pytest.raises(RuntimeError):
        guarded(decoder, 5_000)


def test_in_a_users_process_nothing_is_bounded():
    """Without arming, work is only called."""
    assert guarded(lambda: bytes(10_000_000), 1_000) == bytes(10_000_000)


def test_the_header_alone_can_be_enough():
    """What the header announces is refused with the figure and the limit, before anything is allocated."""
    header = ImageHeader("png", 10_000, 9_000, "RGBA")
    check(header, 1000)
    with pytest.raises(
        LimitError, match=r"bytes of memory to decode \(10,000 x 9,000\), over the limit of 100,000,000"
    ):
        check(header, 1000, Limits(memory=100_000_000))


def test_the_default_limits_fit_each_other():
    """A photograph of the most pixels that are admitted is within the memory that is admitted."""
    for name in ("jpeg", "png"):
        assert decoding_bytes(ImageHeader(name, 10_000, 10_000)) <= Limits().memory


def test_memory_errors_inside_a_decode_are_limits(monkeypatch):
    """Through the whole decoder."""
    from nemo_curator.codecs.decode import DECODERS, decode
    from nemo_curator.codecs.probe import probe
    from nemo_curator.testing import encoded, photo

    def hungry(_request: object) -> None:
        raise MemoryError

    monkeypatch.setitem(DECODERS, ("jpeg", "RGB"), hungry)
    data = encoded(photo(1))
    with pytest.raises(LimitError, match=r"limits\.memory"):
        decode(data, probe(data))
    monkeypatch.setitem(DECODERS, ("jpeg", "RGB"), lambda _request: 1 / 0)
    with pytest.raises(DecodeError):
        decode(data, probe(data))


SHARE = """
from nemo_curator.codecs.memory_share import here
told = []
here.settle(100_000_000, 500_000_000, told.append, lambda: told.append("back"))
def once_more(error):
    tried.append(1)
    if len(tried) < 2:
        raise error
    return "done"
tried = []
"""


@linux
def test_a_decoder_that_takes_more_than_announced_gets_it_in_turn():
    """Within its worker's share it runs out of memory, and within the limit it does not: the verdict is the limit's."""
    assert said(f"{SHARE}print(guarded(lambda: take(250_000_000), 300_000_000, 1_000_000), told)") == (
        "250000000 [200000000, 'back']"
    )


@linux
def test_the_limit_is_the_same_with_a_share():
    """What is too much without one is too much with one, and the turn is given back."""
    text = said(f"""{SHARE}
try:
    guarded(lambda: take(350_000_000), 300_000_000, 1_000_000)
except LimitError as error:
    print(error, told)
""")
    assert text.startswith("its decoder takes more memory than the limit of 300,000,000 bytes; ")
    assert text.endswith("[200000000, 'back']")


@linux
def test_whatever_a_bounded_decoder_fails_of_is_tried_with_all_memory():
    """One that has no words for memory that ran out must not be taken for a damaged file because of a share."""
    assert said(f"{SHARE}print(guarded(lambda: once_more(OSError('broken')), 300_000_000), told)") == (
        "done [200000000, 'back']"
    )
    text = said(f"""{SHARE}
def broken():
    tried.append(1)
    raise OSError("broken")
try:
    guarded(broken, 300_000_000)
except OSError as error:
    print(error, len(tried))
""")
    assert text == "broken 2"


@linux
def test_an_honest_large_image_waits_once():
    """It has all that its header announces, and tries once."""
    text = said(f"{SHARE}print(guarded(lambda: take(240_000_000), 300_000_000, 250_000_000), told)")
    assert text == "240000000 [150000000, 'back']"
