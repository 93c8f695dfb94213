"""What every section of a recipe is made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from nemo_curator.kernels.sizes import parse_size


class Section(BaseModel):
    """A part of a recipe: no other keys than its own, and no changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def switched(value: Any) -> Any:
    """A section that `true` switches on with its defaults, and `false` off."""
    return {} if value is True else None if value is False else value


def _size(value: Any) -> int:
    try:
        return parse_size(value)
    except OverflowError:
        raise ValueError(f"{value!r} is too large") from None


Size = Annotated[int, BeforeValidator(_size), Field(gt=0, lt=2**63)]
"""A number with or without a suffix: `64MB`, `100M`."""
