"""Damaged files by the thousand: each is one picture or one sentence, and costs nobody else anything."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec

import pytest
from hypothesis import given
from tests.codecs.format_edits import FORMAT_EDITS
from tests.codecs.fuzzing import Child, outcomes, table
from tests.codecs.mutations import EDITS, LONGEST, mutant
from tests.codecs.seeds import made_seeds, real_seeds
from tests.codecs.strategies import damaged_files, edits

from nemo_curator.codecs.decode import read_picture
from nemo_curator.codecs.limits import DEFAULT_LIMITS
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import DecodeError, SampleError
from nemo_curator.kernels.sniff import FORMAT_EXTENSIONS, sniff

FEW, MANY = 2000, 100_000
PEAK = 1_000_000_000  # bytes that one worker may take
EXTRA = {"jxl": "imagecodecs"}
"""Format to the package that reads it, which may be absent."""
NOT_READ = {"pam"}  # Pillow knows its older kin alone


def judge(found):
    """Fail unless every outcome is one that a run can live with; print what there was of many."""
    if len(found) > 1:
        print(*table(found), sep="\n")  # noqa: T201 (deaths are allowed here and must be seen)
    for number, outcome in found.items():
        assert outcome.kind != "other", (number, outcome.text)
        if outcome.kind == "error":
            assert outcome.code in {"not_an_image", "decode_failed", "over_limit"}, number
            assert 0 < len(outcome.text) < 300, (number, outcome.text)
            assert outcome.text.isprintable(), (number, outcome.text)
        if outcome.kind == "picture":
            height, width, channels = outcome.shape
            assert (channels, outcome.code) == (3, "uint8"), number
            assert 0 < height * width <= DEFAULT_LIMITS.pixels, (number, outcome.shape)
            assert max(height, width) <= DEFAULT_LIMITS.side, (number, outcome.shape)
        assert outcome.peak <= PEAK, (number, outcome)


@pytest.fixture(scope="module")
def few():
    """What became of the first mutants."""
    seeds = made_seeds()
    return outcomes(range(FEW), lambda number: mutant(seeds, number).data)


def test_two_thousand_mutants_are_accounted_for(few):
    """Each has one outcome: a picture within the limits, a sentence, or a death that is seen from outside."""
    assert list(few) == list(range(FEW))
    judge(few)


def test_mutants_reach_the_decoders(few):
    """The damage is of many kinds: files that decode, that do not, that are no image any more, that are too large."""
    counts = Counter(outcome.name for outcome in few.values())
    for name, least in {
        "picture": 200,
        "error decode_failed": 200,
        "error not_an_image": 20,
        "error over_limit": 20,
    }.items():
        assert counts[name] >= least, counts


def test_an_outcome_depends_on_the_file_alone(few):
    """In another process, in the other order, every mutant ends as before: pixels, code and message."""
    seeds = made_seeds()
    again = outcomes(reversed(range(0, FEW, 5)), lambda number: mutant(seeds, number).data)
    lasting = {"picture", "error"}  # what a machine's load decides is no property of the file
    for number, outcome in again.items():
        if {outcome.kind, few[number].kind} <= lasting:
            assert outcome.same == few[number].same, number


@pytest.mark.soak
def test_a_hundred_thousand_mutants_are_accounted_for():
    """The same of many more."""
    seeds = made_seeds()
    found = outcomes(range(MANY), lambda number: mutant(seeds, number).data, children=2)
    assert list(found) == list(range(MANY))
    judge(found)


@pytest.mark.soak
def test_mutants_of_real_files_are_accounted_for(shared_data):
    """So are mutants of the heads of real files, unusual and broken ones, spliced with the made ones."""
    seeds = {**made_seeds(), **real_seeds(shared_data / "odd"), **real_seeds(shared_data / "hostile")}
    found = outcomes(range(MANY // 4), lambda number: mutant(seeds, number).data, children=2)
    judge(found)


def test_every_seed_is_a_whole_file():
    """Mutants begin with files that decode, of every format that is known, so that damage is what refuses them."""
    seeds = made_seeds()
    assert {sniff(data) for data in seeds.values()} == set(FORMAT_EXTENSIONS)
    for name, data in seeds.items():
        header = probe(data)
        absent = header.format in EXTRA and find_spec(EXTRA[header.format]) is None
        if absent or name in NOT_READ:
            with pytest.raises(DecodeError):
                read_picture(data, header)
        else:
            assert read_picture(data, header).pixels.size > 0, name


@given(edits())
def test_an_edit_is_a_function_of_file_and_number(edit):
    """The same edit of the same file by the same number gives the same bytes, whatever the bytes are."""
    name, data, number = edit
    assert EDITS[name](data, number()) == EDITS[name](data, number())


def test_the_same_number_is_the_same_mutant():
    """A number in a report is a reproducer; most mutants differ from their seed, and none is long."""
    seeds = made_seeds()
    made = [mutant(seeds, number) for number in range(500)]
    assert made == [mutant(seeds, number) for number in range(500)]
    assert sum(one.data != seeds[one.seed] for one in made) > 450
    assert max(len(one.data) for one in made) <= LONGEST
    assert {one.seed for one in made} == set(seeds)
    assert set(FORMAT_EDITS) <= set(FORMAT_EXTENSIONS)


@given(damaged_files())
def test_probing_ends_in_a_header_or_a_sentence(data):
    """Whatever the bytes, probing gives a header of positive size, or raises a `SampleError` in one line."""
    try:
        header = probe(data)
    except SampleError as error:
        assert str(error).isprintable()  # noqa: PT017 (that it is raised is no matter)
        assert len(str(error)) < 300  # noqa: PT017
    else:
        assert min(header.width, header.height, header.frames) > 0
        assert header.orientation in range(1, 9)


@pytest.fixture(scope="module")
def child():
    """One process for many examples."""
    with Child() as one:
        yield one


@given(data=damaged_files())
def test_decoding_ends_in_a_picture_or_a_sentence(child, data):
    """Whatever the bytes, decoding gives a picture or a `SampleError`, in a process that may die of it."""
    judge({0: child.outcome(data)})
