"""What decoders say, as a record has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.codecs.seeds import made_seeds

from nemo_curator.codecs.decode import read_picture
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.trouble import one_line
from nemo_curator.errors import SampleError


@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_any_words_become_one_line_that_a_terminal_only_shows(words):
    """No line break, escape, control character or half character of a file reaches a screen or a table."""
    line = one_line(words)
    assert line.isprintable()
    assert len(line) <= 160
    line.encode()


def test_a_decoder_that_quotes_the_file_is_quoted_safely():
    """A message that has a name from the file in it has no control character of that name."""
    data = made_seeds()["heif"].replace(b"clap", b"c\x7fap")
    with pytest.raises(SampleError) as caught:
        read_picture(data, probe(data))
    assert r"'c\x7fap'" in str(caught.value)
    assert str(caught.value).isprintable()
