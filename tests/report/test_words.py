"""Values as people read them."""

import pytest

from nemo_curator.report.words import compared, number, plural, printable, share, shown, shown_id


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0"),
        (64, "64"),
        (1411.0, "1,411"),
        (-3, "\N{MINUS SIGN}3"),
        (0.123456, "0.1235"),
        (1234.56, "1,235"),
        (2.5e-7, "2.5e\N{MINUS SIGN}07"),
        (float("inf"), "inf"),
        (1e300, "1e+300"),
    ],
)
def test_numbers(value, text):
    """Four significant digits, whole numbers in full, a real minus sign."""
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (0.0004, "< 0.1 %"), (0.9996, "> 99.9 %"), (0.5, "50 %"), (0.125, "12.5 %")],
)
def test_shares(value, text):
    """Something never reads as nothing, nor almost all as all; no line ends before the sign."""
    assert share(value) == text.replace(" %", "\N{NO-BREAK SPACE}%")


@pytest.mark.parametrize(
    ("score", "threshold", "text"),
    [
        (12.3, 20.0, "12.3 < 20"),
        (0.9, 0.8, "0.9 > 0.8"),
        (0.8, 0.8, "0.8 = 0.8"),
        (0.049999, 0.05, "0.049999 < 0.05"),
        (None, 1.0, ""),
        (1.0, None, ""),
    ],
)
def test_a_score_against_its_threshold(score, threshold, text):
    """The relation is the true one even where rounding would hide it."""
    assert compared(score, threshold) == text


@pytest.mark.parametrize(
    ("score", "rule", "text"),
    [
        (1.0, "dark_share >= 0.95", "1 \N{GREATER-THAN OR EQUAL TO} 0.95"),
        (0.95, "dark_share >= 0.95", "0.95 \N{GREATER-THAN OR EQUAL TO} 0.95"),
        (0.5, "dark_share <= 0.95", "0.5 \N{LESS-THAN OR EQUAL TO} 0.95"),
        (1.0, "dark_share > 0.95", "1 > 0.95"),
        (1.0, "0.95 <= dark_share", "1 > 0.95"),
        (1.0, "dark_share >= 0.95 and width < 70", "1 > 0.95"),
        (1.0, "dark_share <> 0.95", "1 > 0.95"),
    ],
)
def test_the_operator_of_the_rule_is_shown(score, rule, text):
    """Where a rule compares once, and with that side left, its own operator stands there; else the bare relation."""
    assert compared(score, 0.95, rule) == text


def test_text_is_made_fit_to_be_shown():
    """Control and direction characters are replaced, white space is folded, length is bounded."""
    assert shown("a\n b\tc", 10) == "a b c"
    assert shown("a\x00b\x1b[31m\u202ec\ud800", 20) == "a�b�[31m�c�"
    assert shown("x" * 50, 10) == "x" * 9 + "…"
    assert printable("كلمة, שלום, 日本") == "كلمة, שלום, 日本"
    assert len(shown_id("a/" * 4000 + "end.jpg")) == 161
    assert shown_id("a/" * 4000 + "end.jpg").endswith("end.jpg")


def test_plurals():
    """One is one."""
    assert plural(1, "image") == "1 image"
    assert plural(1200, "image") == "1,200 images"
