"""Keys of the sidecar JSON as columns: names, types, mismatches, and JSON from strangers."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.tables import SCHEMA, decided, decisions, made_run, policy, row

from nemo_curator.errors import RecipeError
from nemo_curator.runs.deciding import Sample, Split, check_policy, connection, decide, explain_row, parse_rule, preview
from nemo_curator.runs.deciding.metadata_keys import Key, key_of
from nemo_curator.runs.parts import read_part
from nemo_curator.stages.image.io.rows import metadata_json


def noted(image_id, **metadata):
    """A record with this sidecar JSON."""
    return row(image_id, metadata=json.dumps(metadata))


def rejected(folder, rule, *records):
    """Ids that one rule rejects."""
    found, _ = decided(folder, policy(rule, duplicate_bytes=False), records)
    return [one["image_id"] for one in found if one["verdict"] == "reject"]


PHOTOS = (
    noted("x", punsafe=0.9, exif={"make": "Canon", "iso": 100}, **{"original width": 200}, tags=["a", "b"], nsfw=True),
    noted("y", punsafe=0.5, exif={"make": "Nikon", "iso": 6400}, **{"original width": 4000}, nsfw=False),
    row("z"),
)
RULES = {
    "metadata.punsafe > 0.5": ["x"],
    "metadata.punsafe >= 0.5": ["x", "y"],
    "METADATA.exif.make = 'Canon'": ["x"],
    'metadata."original width" < 300': ["x"],
    "metadata.exif.iso + 0 = 6400": ["y"],
    "metadata.nsfw": ["x"],
    "not metadata.nsfw": ["y"],
    'metadata.tags = \'["a","b"]\'': ["x"],
    "contains(metadata.tags, 'b')": ["x"],
    "metadata.tags.\"1\" = 'b'": ["x"],
    "starts_with(metadata.exif, '{')": ["x", "y"],
    "metadata.exif.make is null": ["z"],
    "metadata.punsafe <= quantile(metadata.punsafe, 0.5)": ["y"],
    "rank(metadata.exif.iso * metadata.punsafe) = 1": ["y"],
    "number(metadata.exif.make) is null": ["x", "y", "z"],
    "metadata.exif.iso || '' = '100'": ["x"],
    "coalesce(metadata.punsafe, 1) > 0.95": ["z"],
}


@pytest.mark.parametrize("text", RULES)
def test_keys_are_columns(tmp_path, text):
    """A key is named like a column, and may stand wherever one may; what has no such key is NULL."""
    assert rejected(tmp_path, text, *PHOTOS) == RULES[text]


@pytest.mark.parametrize("text", RULES)
def test_before_scoring_any_key_is_accepted(text):
    """What the JSON of a run holds is not known before it is read: every use of a key passes then."""
    check_policy(policy(text), SCHEMA)


REFUSED = {
    "metadata.a + 1": "gives integer, not true or false",
    "metadata.lower() = 1": "not allowed",
    "metadata.* = 1": "no column",
    "metadata['a'] = 1": "not allowed",
    "metadata.a[1] = 1": "not allowed",
    "metadata -> 'a' = 1": "not allowed",
    "exif.make = 1": "no column 'make'",
    "quantile(metadata.a + 1, 0.5) > 1": "no quantile",
    "number(metadata.a, 1) > 1": "not allowed",
    "number() > 1": "not allowed",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_key_is_refused(text):
    """Calls, brackets and arrows on the metadata are refused as they are on anything else."""
    with pytest.raises(RecipeError, match=REFUSED[text].replace("(", r"\(")):
        check_policy(policy(text), SCHEMA)


HOSTILE = [
    "a.b",
    'a"b',
    "a'b",
    "a/b",
    "a~1b",
    "$",
    "*",
    "",
    " ",
    "'; DROP TABLE records; --",
    "ü 🎞",
    "a\0b",
    "0",
    "A",
    "a",
]


@pytest.mark.parametrize("key", HOSTILE)
def test_any_text_is_a_key(tmp_path, key):
    """A key may hold quotes, dots, slashes or SQL: it is found by exactly that text, and keys differ by case."""
    others = {other: 0 for other in HOSTILE if other != key}
    reference = Key((key, "inner")).written
    records = [noted("x", **{**others, key: {"inner": 7}}), noted("y", **{**others, key: {"inner": 1}})]
    assert rejected(tmp_path, f"{reference} > 5", *records) == ["x"]


@given(path=st.lists(st.text(max_size=5), min_size=1, max_size=4))
def test_a_key_has_one_written_form(path):
    """What a key is written as names that key again, however odd its text."""
    assert key_of(Key(tuple(path)).written) == Key(tuple(path))


@pytest.mark.parametrize(
    "text", ["metadata", "metadata.", "metadata.a.", "metadata..a", 'metadata."a', "a", "metadatas.a", 'metadata."a"b']
)
def test_what_is_no_reference_to_a_key(text):
    """Half a reference is none."""
    assert key_of(text) is None


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**130), 2**130), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), max_size=4), st.lists(st.integers(0, 3), max_size=2), st.just({"a": 1}),
)  # fmt: skip
GROUPS = st.sampled_from(
    [VALUES, st.booleans() | st.none(), st.integers(-9, 9), st.integers(), st.floats(-9, 9) | st.integers(-9, 9)]
)


def expected(values):
    """The values as one column has them, in plain Python."""
    known = [one for one in values if one is not None]
    if all(isinstance(one, bool) for one in known):
        return values
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in known):
        whole = all(isinstance(one, int) and -(2**127) < one < 2**127 for one in known)
        return values if whole else [None if one is None else float(one) for one in values]
    return [one if one is None or isinstance(one, str) else json.dumps(one, separators=(",", ":")) for one in values]


@settings(max_examples=30)
@given(values=GROUPS.flatmap(lambda group: st.lists(group, min_size=1, max_size=6)), data=st.data())
def test_the_type_is_that_of_all_values(values, data):
    """All true or false, all numbers, or else text: by every value of the data set, whatever the parts are."""
    cut = data.draw(st.integers(0, len(values)))
    asked = data.draw(st.sampled_from(range(len(values))))
    records = [noted(str(at), k=value) for at, value in enumerate(values)]
    rule = parse_rule("r", "metadata.k is not null", SCHEMA.names)
    with tempfile.TemporaryDirectory() as folder:
        run, ids = made_run(folder, records[:cut], records[cut:])
        found = explain_row(run, ids, policy(("r", "metadata.k is not null")), str(asked)).computed["metadata.k"]
        funnel = decide(run, ids, policy(("r", rule.text), duplicate_bytes=False), write=False)
    wanted = expected(values)
    if isinstance(next((one for one in wanted if one is not None), None), str):
        # DuckDB writes a number inside a mixed column in its own way; what it says is the same
        plain = isinstance(values[asked], str | None)
        assert (found if plain else json.loads(found)) == (wanted[asked] if plain else json.loads(wanted[asked]))
    else:
        assert found == wanted[asked]
    assert funnel.alone["r"] == sum(one is not None for one in values)


MISMATCHES = {
    "metadata.mixed > 3": (
        'metadata.mixed is text here: its values are numbers (such as 1) and text (such as "n/a"); '
        "write number(metadata.mixed), which is NULL where the text is no number"
    ),
    "metadata.word > 3": 'metadata.word is text here (such as "n/a"); write number(metadata.word)',
    "metadata.n = 'Canon'": "metadata.n is a number here (such as 1), and 'Canon' is none",
    "metadata.n in ('1', 'Canon')": "metadata.n is a number here (such as 1), and 'Canon' is none",
    "contains(metadata.n, '1')": "write metadata.n || '' for its text",
    "metadata.flag > 0.5": "metadata.flag is true or false here; write metadata.flag or not metadata.flag",
    "quantile(metadata.word, 0.5) > 1": 'which is no number; metadata.word is text here (such as "n/a")',
    "metadata.n > 1 and metadata.word > 3": "metadata.word is text here",
    "metadata.word": "it gives varchar, not true or false",
}


@pytest.mark.parametrize("text", MISMATCHES)
def test_a_mismatch_of_types_is_one_sentence(tmp_path, text):
    """It names the key and the kinds of its values with examples, and what to write instead; nothing is decided."""
    records = [noted("x", mixed=1, word="n/a", n=1, flag=True), noted("y", mixed="n/a", n=2), noted("w", mixed=5)]
    run, ids = made_run(tmp_path, records)
    with pytest.raises(RecipeError) as caught:
        decide(run, ids, policy(text))
    assert str(caught.value).startswith(f"rule 'r0' ({text}): ")
    assert MISMATCHES[text] in str(caught.value)
    assert not Path(run.decisions).exists()


def test_number(tmp_path):
    """`number` is the number that a text says, and NULL where it says none, NaN included; of columns too."""
    records = [noted(name, k=name) for name in ("5", "-1e3", "n/a", "nan", "")]
    assert rejected(tmp_path, "number(metadata.k) > 4 or number(metadata.k) < -999", *records) == ["5", "-1e3"]
    words = [row("x", word="12"), row("y", word="twelve")]
    assert rejected(tmp_path / "words", "number(word) >= 12", *words) == ["x"]


def test_a_key_that_no_image_has(tmp_path):
    """It is refused with its place and the nearest key, one that differs in case before all others."""
    run, ids = made_run(tmp_path, PHOTOS)
    for text, hint in {
        "metadata.punsave > 1": "did you mean 'metadata.punsafe'?",
        "metadata.exif.Make = 'x'": "did you mean metadata.exif.make?",
        "metadata.zzz > 1": 'the metadata has: "original width", exif, exif.iso, exif.make',
    }.items():
        with pytest.raises(RecipeError, match="no image has metadata") as caught:
            decide(run, ids, policy(text))
        assert str(caught.value).startswith(f"rule 'r0' ({text}): no image has ")
        assert hint in str(caught.value)
    with pytest.raises(RecipeError, match=r"sample: by: no image has metadata\.no"):
        decide(run, ids, policy(sample=Sample(n=1, by="metadata.no")))


def test_a_key_without_a_value(tmp_path):
    """Where every value is null, or no image could be read, a key may be compared with anything and is NULL."""
    assert rejected(tmp_path, "metadata.k > 3 or metadata.k = 'x'", noted("x", k=None)) == []
    broken = row("x", metadata='{"k": 1}', error="broken")
    assert rejected(tmp_path / "broken", "metadata.k > 3 or metadata.k = 'x'", broken) == []
    assert rejected(tmp_path / "empty", "metadata.k > 3") == []


def test_what_is_quarantined_gives_no_type(tmp_path):
    """The values of unreadable images count as little for a type as they do for a quantile."""
    broken = row("broken", metadata='{"k": "text"}', error="broken")
    assert rejected(tmp_path, "metadata.k > 3", noted("x", k=4), broken) == ["x"]


def test_json_that_is_none(tmp_path):
    """A text that is no JSON, of any depth, has no keys; half a surrogate pair hides nothing but itself."""
    records = [
        noted("x", k=1),
        row("torn", metadata='{"k": 1'),
        row("deep", metadata='{"k":' + "[" * 50_000 + "]" * 50_000 + ',"j":1}'),
        row("list", metadata="[1, 2]"),
        row("half", metadata=metadata_json({"k": 1, "t": "\ud800 \U0001f600", "e": "\\ud800"})),
        row("twice", metadata='{"k": 1, "k": 2}'),
    ]
    assert rejected(tmp_path, "number(metadata.k) = 1", *records) == ["x", "half", "twice"]
    assert rejected(tmp_path / "t", "metadata.t = '\ufffd \U0001f600'", *records) == ["half"]


def test_huge_numbers(tmp_path):
    """Whole numbers beyond 64 bits are told apart; beyond 128 bits they are the nearest double."""
    assert rejected(tmp_path, f"metadata.k > {2**64}", noted("x", k=2**64), noted("y", k=2**64 + 1)) == ["y"]
    assert rejected(tmp_path / "more", "metadata.k > 1e300", noted("x", k=10**301), noted("y", k=3)) == ["x"]


def test_groups_of_a_sample_and_sides_of_a_split(tmp_path):
    """`by` names a key as a rule does: strata keep their shares, and equal values are on one side, 5 as 5.0."""
    values = [5, 5.0, 5e0, "a", "a", None, 7]
    records = [noted(f"{at}-{copy}", k=value, m=at % 2) for copy in range(6) for at, value in enumerate(values)]
    how = policy(sample=Sample(n=12, by='metadata."m"'), split=Split((("u", 0.5), ("v", 0.5)), by="metadata.k"))
    assert how.sample.by == "metadata.m"
    found, _ = decided(tmp_path, how, records)
    kept = [one["image_id"] for one in found if one["verdict"] == "keep"]
    assert sorted(int(one[0]) % 2 for one in kept).count(0) == 7  # four sevenths of twelve
    everything, _ = decided(tmp_path / "all", policy(split=how.split), records)
    sides = {}
    for one in everything:
        sides.setdefault(str(values[int(one["image_id"][0])]).removesuffix(".0"), set()).add(one["split"])
    assert all(len(found) == 1 for value, found in sides.items() if value != "None")
    assert len(sides["None"]) == 2


def test_a_preference(tmp_path):
    """Of equal images the one with the largest value of a key stays."""
    records = [noted("a", w=10), noted("b", w=300), row("c")]
    found, _ = decided(tmp_path, policy(prefer="metadata.w"), [{**one, "sha256": "s"} for one in records])
    assert [one["duplicate_of"] for one in found] == ["b", None, "b"]


def test_a_preview_leaves_keys_out(tmp_path):
    """One part does not tell the type of a key, so that a display waits for the whole data set."""
    run, ids = made_run(tmp_path, [noted("x", k="text", a=1), noted("y", k="t")])
    part = read_part(run, ids[0])
    assert preview(part, policy("metadata.k > 3", "metadata.gone > 1", prefer="metadata.k")).verdicts == {"keep": 2}
    assert not parse_rule("r", "metadata.k > 3", SCHEMA.names).of_one_row


def test_the_figures_of_a_comparison(tmp_path):
    """Decisions and explanations have a key's value and the threshold, and the value by itself."""
    run, ids = made_run(tmp_path, PHOTOS)
    how = policy("metadata.punsafe > 0.5", "metadata.exif.make = 'Nikon'")
    decide(run, ids, how)
    assert (decisions(run)[0]["score"], decisions(run)[0]["threshold"]) == (0.9, 0.5)
    found = explain_row(run, ids, how, "y")
    assert (found.rules[0].score, found.rules[0].threshold) == (0.5, 0.5)
    assert found.computed == {"metadata.exif.make": "Nikon", "metadata.punsafe": 0.5}


def test_parts_elsewhere_and_of_other_shapes(tmp_path):
    """A run behind a URL decides the same bytes, and so does any number of threads."""
    parts = [[noted(f"{at}/{one}", k=one / 7, make="ab"[one % 2]) for one in range(40)] for at in range(3)]
    how = policy("metadata.k > quantile(metadata.k, 0.7)", "metadata.make = 'a' and metadata.k < 1")
    here, ids = made_run(tmp_path, *parts)
    there, _ = made_run("memory://keys", *parts)
    assert decide(here, ids, how, threads=1) == decide(there, ids, how) == decide(here, ids, how, threads=5)
    assert decisions(here) == decisions(there)


def test_keys_and_frequencies_beyond_the_budget(tmp_path, monkeypatch):
    """With little memory both spill, come to the same result, and leave nothing behind."""
    parts = [
        [{**noted(f"{part}/{at}", k=at % 97, t=f"{at % 501}" * 9), "caption": f"{at % 4999}"} for at in range(10_000)]
        for part in range(6)
    ]
    run, ids = made_run(tmp_path, *parts)
    how = policy("metadata.k < quantile(metadata.k, 0.2)", "starts_with(metadata.t, '77')", "caption_frequency > 14")
    expected_funnel = decide(run, ids, how, threads=1)
    before = Path(run.decisions).read_bytes()
    monkeypatch.setattr(connection, "MEMORY", "40MB")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "temporary").mkdir()
    assert decide(run, ids, how, threads=1) == expected_funnel
    assert Path(run.decisions).read_bytes() == before
    assert list((tmp_path / "temporary").iterdir()) == []
