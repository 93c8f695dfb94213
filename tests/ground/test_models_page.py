"""The page of models lists every model and head that the registry has, with what it knows of them."""

import pytest
from tools.models_page.tables import PAGE, renewed

from nemo_curator.models import registry
from nemo_curator.models.spec import UserWeights

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_registry():
    """Nothing was changed by hand or forgotten: run `python -m tools.models_page`."""
    assert renewed(TEXT) == TEXT


@pytest.mark.parametrize("spec", registry.specs(), ids=lambda spec: spec.name)
def test_every_model_is_on_the_page(spec):
    """Name and licence stand in one row, and every hash, commit and address that is known of it stands somewhere."""
    assert any(row.startswith(f"| `{spec.name}` |") and row.endswith(f"| {spec.licence} |") for row in TEXT.split("\n"))
    if isinstance(spec.weights, UserWeights):
        known = [spec.weights.address, spec.weights.revision, *(file.sha256 for file in spec.weights.files)]
        assert all(fact in TEXT for fact in known)


def test_a_page_without_a_place_for_a_table_is_refused():
    """A marker that was lost is told, not passed over."""
    with pytest.raises(ValueError, match="0 places for the table 'heads'"):
        renewed(TEXT.replace("<!-- heads -->", ""))
