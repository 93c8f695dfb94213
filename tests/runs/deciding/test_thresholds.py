"""Threshold sense: which rules are warned of, and what the warnings say."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.tables import decided, listed, made_run, policy, row

from nemo_curator.runs.deciding import decide

HUNDRED = [
    row(f"{at:02}", a=at / 20, b=at, word=("jpeg", "png", "gif", "webp")[min(at % 7, 3)], flag=False)
    for at in range(100)
]


def warnings(folder, *rules, records=HUNDRED, **settings_):
    """(kind, sentence) of every warning."""
    _, funnel = decided(folder, policy(*rules, **settings_), records)
    return [(one.kind, one.text) for one in funnel.warnings]


SPREAD = "a is 0 … 4.95 (5 %: 0.2, 25 %: 1.2, median: 2.45, 75 %: 3.7, 95 %: 4.7)"
RANGE = {
    "a >= 8": f"rejects nothing: its threshold is above all seen values; {SPREAD}",
    "8 <= a": f"rejects nothing: its threshold is above all seen values; {SPREAD}",
    "a < -0.5": f"rejects nothing: its threshold is below all seen values; {SPREAD}",
    "a < 10": f"rejects every image: its threshold is above all seen values; {SPREAD}",
    "not (a < 10)": f"rejects nothing: its threshold is above all seen values; {SPREAD}",
    "a = 77": f"rejects nothing: its threshold is above all seen values; {SPREAD}",
    "a > 4.95": f"rejects nothing; {SPREAD}",
    "a < 0": f"rejects nothing; {SPREAD}",
    "a <= 4.95": f"rejects every image; {SPREAD}",
    "a > 40 or b < 3": f": 40 is above all seen values of a; {SPREAD}",
    "a > 1 and a < 50": f": 50 is above all seen values of a; {SPREAD}",
    "a between 6 and 8": f"rejects nothing: 6 and 8 are above all seen values; {SPREAD}",
    "a between -1 and 8": f"rejects every image: all seen values lie between -1 and 8; {SPREAD}",
    "a between 3 and 1": f"rejects nothing: nothing lies between 3 and 1, the larger of which stands first; {SPREAD}",
    "a not between 8 and -1 and b < 3": ": nothing lies between 8 and -1, the larger of which stands first; " + SPREAD,
    "a in (6, 7)": f"rejects nothing: 6 and 7 are above all seen values; {SPREAD}",
    "a * 2 > 4 * 10": "rejects nothing: its threshold is above all seen values; "
    "a * 2 is 0 … 9.9 (5 %: 0.4, 25 %: 2.4, median: 4.9, 75 %: 7.4, 95 %: 9.4)",
    "least(width, height) < 64": "rejects nothing: its threshold is below all seen values; "
    "least(width, height) is 100 wherever it has a value",
    "word = 'jpg'": "rejects nothing: no image has word = 'jpg'; "
    "word is most often 'webp' (56), 'jpeg' (15), 'png' (15)",
    "word in ('jpg', 'tif')": "rejects nothing: no image has word = 'jpg' or 'tif'; "
    "word is most often 'webp' (56), 'jpeg' (15), 'png' (15)",
    "word <> 'jpg'": "rejects every image: no image has word = 'jpg'; "
    "word is most often 'webp' (56), 'jpeg' (15), 'png' (15)",
    "flag": "rejects nothing; flag is true for 0 and false for 100 images",
    "not flag": "rejects every image; flag is true for 0 and false for 100 images",
    "bytes > 5": "rejects nothing: no image has a value of bytes",
    "bytes > 5 or a < 1": ": no image has a value of bytes",
    "a < quantile(a, 0)": f"rejects nothing; {SPREAD}",
    "rank(a) > 5000": "rejects nothing; rank(a) is 1 … 100 (5 %: 5, 25 %: 25, median: 50, 75 %: 75, 95 %: 95)",
    "caption is null": "rejects every image",
    "width > height": "rejects nothing; width is 100 wherever it has a value; height is 100 wherever it has a value",
}  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Rule to what is said of it, of all rules at once: each is judged by itself."""
    how = policy(*RANGE, *FITTING)
    _, funnel = decided(tmp_path_factory.mktemp("told"), how, HUNDRED)
    texts = {rule.name: rule.text for rule in how.rules}
    assert len({one.rule for one in funnel.warnings}) == len(funnel.warnings)
    return {texts[one.rule]: one.text.replace(f"rule {one.rule} ", "rule r ", 1) for one in funnel.warnings}


@pytest.mark.parametrize("text", RANGE)
def test_what_is_said(told, text):
    """Nothing or everything rejected, or a constant outside of what was seen: one sentence with the quantiles."""
    assert told[text].startswith(f"rule r ({text})")
    assert told[text].removeprefix(f"rule r ({text})").lstrip() == RANGE[text]


FITTING = [
    "a >= 4.95", "a < 0.05", "a > 0", "a <= 0", "a between -1 and 1", "a between 4 and 9", "b in (3, 700)",
    "word = 'png'", "word in ('jpg', 'jpeg')", "word like 'j%'", "a < quantile(a, 0.05)", "rank(a) > 50",
    "a - quantile(a, 0.5) > 1", "a < b", "a > 1 and word = 'png'", "case when a > 1 then word = 'png' else b = 3 end",
]  # fmt: skip


@pytest.mark.parametrize("text", FITTING)
def test_nothing_is_said_of_what_fits(told, text):
    """A constant at the very border was seen; quantiles and ranks are where the data are."""
    assert text not in told


def test_one_warning_a_rule_in_their_order(tmp_path):
    """Each rule is judged by itself, whatever those before it took; two odd constants are one sentence."""
    found = warnings(tmp_path, "a > 50", "a < 1", "a >= 0", "b > 900 or word = 'x' or a < 1")
    assert [kind for kind, _ in found] == ["nothing", "everything", "range"]
    assert ": 900 is above all seen values of b and no image has word = 'x'; b is 0 … 99 (" in found[2][1]
    assert "; word is most often " in found[2][1]


def test_runs_with_nothing_to_see(tmp_path):
    """No input, no readable image, or nobody asked: nothing is said. One image is enough to say something."""
    assert warnings(tmp_path / "none", "a > 1", records=[]) == []
    assert warnings(tmp_path / "broken", "a > 1", records=[row("x", a=9.0, error="e")]) == []
    assert warnings(tmp_path / "rules", records=[row("x")]) == []
    allowed = {"allow": listed(tmp_path, "x")}
    assert warnings(tmp_path / "allowed", "a > 1", records=[row("x", a=9.0)], **allowed) == []
    ((kind, said),) = warnings(tmp_path / "one", "a > 1", records=[row("x", a=0.5)])
    assert (kind, said.partition("; ")[2]) == ("nothing", "a is 0.5 wherever it has a value")
    unseen = [one[0] for one in warnings(tmp_path / "unseen", "bytes > 5", "coalesce(bytes > 5, true)")]
    assert unseen == ["no value", "everything"]


def test_unreadable_images_and_nan_are_not_seen(tmp_path):
    """The range is that of readable images; NaN is no value, an infinite one is."""
    records = [row("x", a=0.5), row("y", a=9.0, error="e"), row("z", a=math.nan)]
    assert "a is 0.5 wherever" in warnings(tmp_path, "a < 5 and width > 0", records=records)[0][1]
    records = [row("x", a=0.5), row("y", a=math.inf), row("z", a=-math.inf)]
    ((_, said),) = warnings(tmp_path / "infinite", "a > 1 and b > 3", records=records)
    assert said.endswith(": no image has a value of b")


def test_texts_from_strangers(tmp_path):
    """Long values and rules are cut, and quotes are data."""
    records = [row("x", word="it's " * 30), row("y", word='"')]
    ((_, said),) = warnings(tmp_path, f"word = '{'y' * 500}'", records=records)
    assert len(said) < 1000
    assert "\"it's it's" in said


def test_keys_of_the_metadata(tmp_path):
    """A key of the sidecar JSON is named as it is written in the rule."""
    records = [row(str(at), metadata=f'{{"p w": {at}, "s": "t"}}') for at in range(5)]
    found = warnings(tmp_path, 'metadata."p w" > 7', "metadata.s = 'u'", records=records)
    assert found[0][1].endswith('; metadata."p w" is 0 … 4 (5 %: 0, 25 %: 1, median: 2, 75 %: 3, 95 %: 4)')
    assert found[1][1].endswith("no image has metadata.s = 'u'; metadata.s is 't' (5)")


def test_threads_and_dry_runs_say_the_same(tmp_path):
    """Warnings depend on nothing but rows and rules, and need no decision to be written."""
    run, ids = made_run(tmp_path, HUNDRED[:30], HUNDRED[30:])
    how = policy("a > 8", "word = 'jpg'", "rank(b) > 500")
    assert decide(run, ids, how, threads=1).warnings == decide(run, ids, how, write=False).warnings != ()


@settings(max_examples=15)
@given(
    values=st.lists(st.floats(-9, 9).map(lambda one: round(one, 1)), min_size=1, max_size=9),
    limits=st.lists(st.floats(-12, 12).map(lambda one: round(one, 1)), min_size=3, max_size=6),
)
def test_a_warning_is_there_where_it_should_be(values, limits):
    """`a < limit` is warned of exactly where the limit is outside, or nothing or everything is rejected."""
    with tempfile.TemporaryDirectory() as folder:
        records = [row(str(at), a=value) for at, value in enumerate(values)]
        _, funnel = decided(Path(folder), policy(*(f"a < {limit}" for limit in limits)), records)
    found = {one.rule: one.text for one in funnel.warnings}
    for at, limit in enumerate(limits):
        below = sum(value < limit for value in values)
        outside = not min(values) <= limit <= max(values)
        said = found.get(f"r{at}")
        assert (said is not None) == (outside or below in {0, len(values)})
        assert said is None or ("its threshold is" in said) == outside
