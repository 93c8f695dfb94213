"""Hostile files: nothing raises, and what is found stays clean and small."""

from __future__ import annotations

import pytest
from hypothesis import given
from tests.codecs.mutations import mutant
from tests.codecs.rights.marked import seeds
from tests.codecs.strategies import damaged_files

from nemo_curator.codecs.rights.reading import read_rights
from nemo_curator.codecs.rights.statement import LONGEST, Rights
from nemo_curator.kernels.sniff import sniff

FEW, MANY = 2000, 50_000


def judge(data: bytes, image_format: str | None = None) -> Rights:
    """Fail unless what is found can be stored."""
    rights = read_rights(data, image_format)
    texts = (rights.opt_out_terms, rights.copyright, rights.creator, rights.credit, rights.licence)
    for text in (*texts, *rights.opt_out_by, *rights.generated_by):
        text.encode()
        assert len(text) <= LONGEST
        assert "\n" not in text
        assert "\0" not in text
    assert len(rights.opt_out_by) + len(rights.generated_by) < 200
    return rights


def mutants(count: int) -> None:
    """Judge so many, each as its own format and as what its bytes say."""
    made = seeds()
    found = 0
    for number in range(count):
        one = mutant(made, number)
        judge(one.data)
        found += judge(one.data, sniff(made[one.seed])) != Rights()
    assert found > count // 3  # damage does not silence most of them: the parsers were reached


def test_two_thousand_mutants():
    """Damaged files of every format with every block raise nothing."""
    mutants(FEW)


@pytest.mark.soak
def test_many_mutants():
    """So do many more."""
    mutants(MANY)


@given(damaged_files())
def test_damaged_files_of_other_tests(data):
    """Nor do damaged files that carry no such blocks."""
    judge(data)


def test_hostile_files(shared_data):
    """Fuzzed, cut and bombed files of others."""
    paths = [path for path in (shared_data / "hostile").rglob("*") if path.is_file()]
    assert len(paths) > 900
    for path in paths:
        judge(path.read_bytes())


def test_odd_files(odd_files):
    """Unusual files, some with notices by their photographers."""
    found = {name: judge(data) for name, data in odd_files.items()}
    assert not any(rights.ai_opt_out or rights.has_c2pa or rights.ai_generated for rights in found.values())
    assert found["pillow/broken_exif_dpi.jpg"].copyright == "Ross_Pushinaitis"
