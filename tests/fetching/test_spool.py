"""What was fetched survives a kill at any byte."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.fetching.spool import Spool
from nemo_curator.fetching.statuses import Outcome, outcome_of

IMAGES = {7: b"first" * 50, 3: b"", 5: b"last" * 99}


def filled(path):
    """A spool with three rows; where each record ends."""
    spool, ends = Spool(str(path)), []
    for row, image in IMAGES.items():
        outcome = Outcome("ok", size=len(image)) if image else Outcome("empty", "nothing")
        spool.add(row, outcome, [image[:3], image[3:]])
        ends.append(path.stat().st_size)
    spool.close()
    return ends


@given(st.data())
def test_a_torn_end_is_cut_off_and_the_rest_is_there(tmp_path_factory, data):
    """Wherever the file ends, the records before are whole, and it goes on behind them."""
    path = tmp_path_factory.mktemp("spool") / "spool"
    ends = filled(path)
    cut = data.draw(st.integers(0, ends[-1]))
    with path.open("r+b") as file:
        file.truncate(cut)
    spool = Spool(str(path))
    whole = [row for row, end in zip(IMAGES, ends, strict=True) if end <= cut]
    assert list(spool.rows) == whole
    assert [spool.image(spool.rows[row]) for row in whole] == [IMAGES[row] for row in whole]
    spool.add(99, Outcome("ok", size=2), [b"ab"])
    spool.close()
    again = Spool(str(path))
    assert list(again.rows) == [*whole, 99]
    assert again.image(again.rows[99]) == b"ab"
    again.close()


@given(st.data())
def test_a_damaged_byte_ends_the_spool_before_it(tmp_path_factory, data):
    """A record whose checksum is wrong is not believed, nor what follows it."""
    path = tmp_path_factory.mktemp("spool") / "spool"
    ends = filled(path)
    at = data.draw(st.integers(0, ends[-1] - 1))
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    spool = Spool(str(path))
    before = [row for row, end in zip(IMAGES, ends, strict=True) if end <= at]
    # the number of a row is not under the checksum of its content: such a row is another one
    assert list(spool.rows)[: len(before)] == before
    assert all(spool.image(kept) in IMAGES.values() for kept in spool.rows.values())
    spool.close()


def test_an_outcome_is_told_whole():
    """Every field of an outcome comes back, and fields of a later version are passed over."""
    outcome = Outcome("ok", "why", 200, "http://a", 2, "image/png", "all", "png", 5, "ab", 3, 1.5, 0.25)
    assert all(getattr(outcome, field.name) for field in dataclasses.fields(outcome))
    assert outcome_of(outcome.facts | {"later": 1}) == outcome
