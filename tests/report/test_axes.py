"""What can be looked at along a line of numbers, and where rules cut it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.report.pages import curated, report_of

from nemo_curator.report.data import embedded
from nemo_curator.report.gather import gather
from nemo_curator.report.projection import plane_of
from nemo_curator.report.remedies import remedy
from nemo_curator.report.sampling import choose, in_turns, picture_count
from nemo_curator.report.thumbnails import LEFT_OUT, Thumbnail, within
from nemo_curator.report.words import amount, distance_words, duration
from nemo_curator.runs.deciding import parse_rule
from nemo_curator.runs.deciding.one_comparison import one_comparison


@pytest.mark.parametrize(
    ("text", "column", "written", "operator", "moving"),
    [
        ("a < 0.05", "a", "a", "<", False),
        ("0.05 <= a", "a", "a", ">=", False),
        ("(least(a, b) > 2)", "", "least(a, b)", ">", False),
        ("a >= quantile(a, 0.9)", "a", "a", ">=", True),
        ("quantile(a, 0.9) > b", "b", "b", "<", True),
    ],
)
def test_a_rule_that_is_one_comparison_is_taken_apart(text, column, written, operator, moving):
    """Whichever side the value stands on, it is what is compared, and the constant is the threshold."""
    rule = parse_rule("r", text, ["a", "b"])
    found = one_comparison(rule, dict.fromkeys(rule.quantiles, 1.5))
    assert (found.column, found.written, found.operator, found.moving) == (column, written, operator, moving)


@pytest.mark.parametrize("text", ["a < b", "a < 1 or b > 2", "a = 1", "rank(a) > 5", "a between 1 and 2", "true"])
def test_what_is_more_or_less_than_one_comparison_is_not(text):
    """Such a rule has no one threshold to move."""
    rule = parse_rule("r", text, ["a", "b"])
    assert one_comparison(rule, {}) is None


def test_rules_come_first_and_bring_their_thresholds(pile, tmp_path):
    """In recipe order, an expression under its own name; a text that is compared has no axis."""
    rules = {"flat": "aspect > 3", "small": "least(width, height) < 64", "tiny": "16 > least(width, height)"}
    rules |= {"odd": "format < 'a'", "last": "aspect > quantile(aspect, 0.9) and width < 10"}
    axes = [one.axis for one in gather(curated(pile, tmp_path / "out", rules)).spreads]
    assert [axis.name for axis in axes[:3]] == ["aspect", "least(width, height)", "width"]
    assert [(one.rule, one.operator, one.value) for one in axes[1].thresholds] == [
        ("small", "<", 64),
        ("tiny", "<", 16),
    ]
    assert axes[0].meaning == "Longer side divided by the shorter one"
    assert not axes[1].column
    assert "format" not in [axis.name for axis in axes]


def test_a_text_that_is_compared_with_a_text_has_no_axis(pile, tmp_path):
    """Texts of digits stand in the order of their letters, '10' before '9': a line of numbers would count others."""
    for at, text in enumerate(("10", "9", "8")):
        (pile / f"good-{at}.txt").write_text(text)
    rules = {"text": "caption < '5'", "width": "width < '64'"}
    run = curated(pile, tmp_path / "out", rules)
    cut = {one.axis.name: [each.rule for each in one.axis.thresholds] for one in gather(run).spreads}
    assert "caption" not in cut
    assert cut["width"] == ["width"]


def test_images_without_a_value_are_counted_as_the_rule_counts_them(pile, tmp_path):
    """A rule does not reject what it cannot compare."""
    page = gather(curated(pile, tmp_path / "out", scores=["header", "captions"]))
    (spread,) = [one for one in page.spreads if one.axis.name == "caption_repetition"]
    assert (spread.count, spread.missing) == (3, 5)
    assert spread.count + spread.missing == page.readable


def test_json_in_the_page_cannot_end_its_element():
    """Whatever a text holds, it comes back as it was, and no character of it means anything to HTML."""
    hostile = ["</script>", "<!--", "]]>", "&amp;", "\u2028\u2029", "\ud800".encode("utf-8", "replace").decode(), '"\\']
    text = embedded(hostile)
    assert json.loads(text) == hostile
    assert not set(text) & set("<>&\u2028\u2029")


def test_numbers_that_json_lacks_reach_the_script(pile, tmp_path):
    """A missing value is NaN in the packed numbers, not in the JSON."""
    data = report_of(curated(pile, tmp_path / "out", scores=["header", "captions"])).data
    assert len(data["sample"]["ids"]) == 8
    assert len(data["sample"]["numbers"]) >= 8 * 8 * len(data["axes"])


def test_pictures_are_chosen_in_turns():
    """One of each list before the second of any; then others, evenly, until there are enough."""
    assert in_turns([[1, 2, 3], [], [4], [5, 6]]) == [1, 4, 5, 2, 6, 3]
    assert choose([[7, 3], [3, 9]], np.arange(10), 5) == [7, 3, 9, 0, 2]
    assert choose([range(10)], np.arange(10), 3) == [0, 1, 2]
    assert [picture_count(one) for one in (5, 200, 300, 900, 10**6)] == [5, 200, 200, 300, 600]


def test_thumbnails_stay_within_their_bytes():
    """The most important ones stay, and one that could not be made keeps its own reason."""
    made = {1: Thumbnail("x" * 400), 2: Thumbnail("y" * 400), 3: Thumbnail(missing="gone")}
    found = within(made, [2, 1, 3], 300)
    assert [bool(found[one].uri) for one in (1, 2, 3)] == [False, True, False]
    assert (found[1].missing, found[3].missing) == (LEFT_OUT, "gone")


def test_a_map_keeps_neighbours_together():
    """Three bundles of directions are three on the plane; a row of zeros is nowhere; the map is always the same."""
    random = np.random.default_rng(0)
    middles = np.eye(3, 32)
    rows = np.concatenate([middles[at % 3] + random.normal(0, 0.02, (1, 32)) for at in range(60)]).astype(np.float32)
    rows[7] = 0
    plane = plane_of(rows)
    assert np.isnan(plane.places[7]).all()
    for bundle in range(3):
        mine = [at for at in range(60) if at % 3 == bundle and at != 7]
        others = [at for at in range(60) if at % 3 != bundle and at != 7]
        middle = plane.places[mine].mean(axis=0)
        within_it = np.linalg.norm(plane.places[mine] - middle, axis=1).max()
        assert within_it < np.linalg.norm(plane.places[others] - middle, axis=1).min()
    assert 0.8 < sum(plane.shares) <= 1
    assert np.array_equal(plane_of(rows).places, plane.places, equal_nan=True)


@pytest.mark.parametrize("rows", [np.zeros((9, 4)), np.ones((9, 4)), np.eye(2, 4), np.zeros((0, 4))])
def test_there_is_no_map_of_nothing(rows):
    """Of rows without a direction, all of one, or too few."""
    assert plane_of(rows.astype(np.float32)) is None


def test_amounts_times_and_distances_are_words():
    """As people say them."""
    assert [amount(one) for one in (None, 0, 999, 1500, 7_228_469, 2.5e9, 3e12)] == [
        *("", "0 B", "999 B", "1.5 kB", "7.2 MB", "2.5 GB", "3.0 TB"),
    ]
    assert [duration(one) for one in (0.4637, 9.2, 58.1, 60, 200, 7500, 7200)] == [
        *("0.46 s", "9.2 s", "58 s", "1 min", "3 min 20 s", "2 h 5 min", "2 h"),
    ]
    assert distance_words("same_bytes", None) == ""
    assert distance_words("copy", 1.0) == "1 bit of 256 apart"
    assert distance_words("similar", 0.05) == "cosine 0.9500"


def test_every_code_has_a_meaning_and_a_remedy():
    """Each that the reference page of quarantine explains."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "quarantine.md").read_text(encoding="utf-8")
    codes = re.findall(r"^## `(\w+)`$", page, re.MULTILINE)
    assert len(codes) > 10
    assert [code for code in codes if not all(remedy(code))] == []
    assert remedy("no such code") == ("", "The detail says what happened.")
