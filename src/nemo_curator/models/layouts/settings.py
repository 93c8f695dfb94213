"""The settings files that lie beside weights, read such that whatever is wrong in them is one sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_curator.errors import WeightsError, WeightsNotFoundError
from nemo_curator.models.legible import legible, mistaken
from nemo_curator.models.towers.ops import Activation

Triple = tuple[float, float, float]

ACTIVATIONS: dict[str, Activation] = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh"}
"""What Hugging Face calls the activations that towers may have."""

_LONGEST = 1 << 20  # bytes; published files have a few thousand
_LARGEST = 1e9  # no number of a tower comes near it; infinity and what no float holds are beyond


@dataclass(frozen=True, slots=True)
class Settings:
    """One settings file, or one section of it.

    Attributes:
        path: The file.
        content: Key to value.
    """

    path: Path
    content: dict[str, Any]

    def section(self, key: str) -> Settings:
        """A section; an empty one where there is none.

        Raises:
            WeightsError: It is no section.
        """
        found = self.content.get(key)
        if found is None:
            found = {}
        if not isinstance(found, dict):
            raise self.wrong(f"{key} is no section")
        return Settings(self.path, found)

    def number(self, key: str, default: float) -> float:
        """A positive number.

        Raises:
            WeightsError: It is none.
        """
        value = self._given(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LARGEST:
            raise self.wrong(f"{key} is {value!r}, expected a positive number")
        return value

    def whole(self, key: str, default: int) -> int:
        """A positive whole number.

        Raises:
            WeightsError: It is none.
        """
        value = self.number(key, default)
        if value != int(value):
            raise self.wrong(f"{key} is {value!r}, expected a whole number")
        return int(value)

    def side(self, key: str, default: int) -> int:
        """The side of a square in pixels: a number, or two equal ones in a list or under `height` and `width`.

        Raises:
            WeightsError: It is no square.
        """
        value = self._given(key, default)
        if isinstance(value, dict) and set(value) == {"height", "width"}:
            value = [value["height"], value["width"]]
        if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _LARGEST:
            raise self.wrong(f"{key} is {value!r}, expected the side of a square in pixels")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false.

        Raises:
            WeightsError: It is neither.
        """
        value = self._given(key, default)
        if not isinstance(value, bool):
            raise self.wrong(f"{key} is {value!r}, expected true or false")
        return value

    def triple(self, key: str, default: Triple) -> Triple:
        """Three numbers, of red, green and blue.

        Raises:
            WeightsError: There are not three, or they are no numbers.
        """
        value = self._given(key, default)
        numbers = value if isinstance(value, list | tuple) else ()
        if len(numbers) != 3 or not all(isinstance(v, int | float) and abs(v) < _LARGEST for v in numbers):
            raise self.wrong(f"{key} is {value!r}, expected three numbers")
        return float(numbers[0]), float(numbers[1]), float(numbers[2])

    def activation(self, default: str) -> Activation:
        """The activation under `hidden_act`.

        Raises:
            WeightsError: It is another one than towers may have.
        """
        name = self._given("hidden_act", default)
        if not isinstance(name, str) or name not in ACTIVATIONS:
            raise self.wrong(f"the activation {name!r} is not supported")
        return ACTIVATIONS[name]

    def wrong(self, what: str) -> WeightsError:
        """An error with this file as its place."""
        return WeightsError(what, where=str(self.path))

    def _given(self, key: str, default: Any) -> Any:
        value = self.content.get(key)
        return default if value is None else value


def read_settings(path: Path, *, required: bool = True) -> Settings:
    """Read a file of settings.

    Args:
        path: The file, an object in JSON.
        required: Whether it must be there; where it need not, a missing file is an empty one.

    Raises:
        WeightsNotFoundError: It is not there.
        WeightsError: It cannot be read, is no JSON object, or longer than any settings are.
    """
    try:
        with legible(path), path.open("rb") as file:
            data = file.read(_LONGEST + 1)
        if len(data) > _LONGEST:
            raise WeightsError("the file is too long for settings", where=str(path))
        content = json.loads(data)
    except FileNotFoundError:
        if not required:
            return Settings(path, {})
        raise WeightsNotFoundError(
            "this file is missing", where=str(path), act="put it there, from where the weights come from"
        ) from None
    except (ValueError, RecursionError) as error:
        what, act = mistaken(path) or (str(error), "")
        raise WeightsError(f"the file is no JSON: {what}", where=str(path), act=act or "fetch it again") from error
    if not isinstance(content, dict):
        raise WeightsError("the file holds no settings", where=str(path), act="fetch it again")
    return Settings(path, content)
