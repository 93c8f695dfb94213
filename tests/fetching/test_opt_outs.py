"""Headers that say no."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.fetching.opt_outs import OPT_OUTS, opt_out


@pytest.mark.parametrize(
    ("fields", "no"),
    [
        ([], False),
        (["all"], False),
        (["nofollow, noarchive"], False),
        (["noai"], True),
        (["NoAI , nofollow"], True),
        (["nofollow", "noimageai"], True),
        (["none"], True),
        (["otherbot: noai, noindex"], False),
        (["otherbot: noai", "noindex"], True),
        (["imagecurator: noindex"], True),
        (["otherbot: all, imagecurator: noai"], True),
        (["unavailable_after: 25 Jun 2030 15:00:00 GMT, noai"], True),
        (["unavailable_after: Friday, 25-Jun-27 15:00:00 GMT, noai"], True),
        (["otherbot: unavailable_after: Friday, 25-Jun-27 15:00:00 GMT, noai"], False),
        (["max-image-preview: large"], False),
        (["otherbot: max-snippet: 3, noai"], False),
        (["noaix"], False),
    ],
)
def test_directives_that_are_for_us_count(fields, no):
    """A directive counts where it is for everybody, or for us by name."""
    assert bool(opt_out(fields, [], "imagecurator")) is no


def test_reserved_rights_count():
    """A reservation of text and data mining is a no; its absence or 0 is not."""
    assert opt_out([], ["1"], "imagecurator")
    assert not opt_out([], ["0"], "imagecurator")


def test_nothing_counts_where_nobody_wants_it():
    """With no word to honour, no header is looked at."""
    assert not opt_out(["noai"], ["1"], "imagecurator", ())


@given(st.lists(st.text(max_size=40), max_size=4), st.sampled_from(OPT_OUTS))
def test_a_header_of_its_own_is_always_heard(others, word):
    """Whatever else is said, a header that says no is not overheard."""
    assert opt_out([*others, word], [], "imagecurator")
