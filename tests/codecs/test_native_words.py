"""What C libraries write to standard error is heard, and what others write there is passed on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nemo_curator.codecs.native_words import hearing


def write(text: bytes) -> None:
    """As a C library does, past Python."""
    os.write(2, text)


def test_a_library_is_heard_and_not_printed(capfd):
    """Lines in the manner of libtiff are collected in order."""
    heard: list[str] = []
    with hearing(heard):
        write(b"TIFFFillStrip: Read error on strip 0.\n_tiffReadProc: Invalid Read at loc 3309, eof: 2529.\n")
        assert heard == []
    assert heard == ["TIFFFillStrip: Read error on strip 0.", "_tiffReadProc: Invalid Read at loc 3309, eof: 2529."]
    assert capfd.readouterr().err == ""


def test_others_are_passed_on(capfd):
    """A progress bar of another thread appears where it would have, a moment later."""
    heard: list[str] = []
    with hearing(heard):
        write(b"\x1b[2K 50 % done: it goes on.\nhello\nFax4Decode: Bad code word at line 27.\n")
    assert heard == ["Fax4Decode: Bad code word at line 27."]
    assert capfd.readouterr().err == "\x1b[2K 50 % done: it goes on.\nhello\n"


def test_standard_error_is_itself_again_after_a_failure(capfd):
    """What is said before an exception is heard, and the stream goes back."""
    heard: list[str] = []

    def fail() -> None:
        write(b"LZWDecode: Corrupted LZW table.\n")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), hearing(heard):
        fail()
    write(b"after\n")
    assert heard == ["LZWDecode: Corrupted LZW table."]
    assert capfd.readouterr().err == "after\n"


def test_an_endless_speaker_is_cut():
    """A file that makes its decoder say the same thing a million times costs little."""
    heard: list[str] = []
    with hearing(heard):
        for _ in range(1000):
            write(b"Fax4Decode: Bad code word.\n" * 100)
    assert 1000 < len(heard) < 5000


def test_a_process_without_standard_error_decodes_too():
    """Libraries are heard there as elsewhere, so that verdicts do not depend on how a program was started."""
    code = """
import os
os.close(2)
from nemo_curator.codecs.native_words import hearing
heard = []
with hearing(heard):
    os.write(2, b"TIFFOpen: Not a TIFF.\\n")
print(heard)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "['TIFFOpen: Not a TIFF.']\n"
