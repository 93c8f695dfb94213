"""Named arrays in a folder: mapped when they are opened, so that of much only what is looked at is read.

Each is a plain `.npy` file. `facts.json` comes last and goes first: it says of what they are, and of which shape, so
that nothing is taken for whole that is not. What stands in such a folder can be made again; where it is damaged it
counts as missing. Nothing is unpickled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nemo_curator import storage

Array = npt.NDArray[Any]

FACTS = "facts.json"


class Shape(NamedTuple):
    """What an array is.

    Attributes:
        kind: Its type, as NumPy writes it: `<f4`.
        sides: Its sides.
    """

    kind: str
    sides: tuple[int, ...]

    @classmethod
    def of(cls, array: Array) -> Shape:
        """That of an array."""
        return cls(array.dtype.str, array.shape)


def write_arrays(folder: str, inputs: str, shapes: Mapping[str, Shape], pieces: Iterable[tuple[str, Array]]) -> None:
    """Write arrays into a folder, over those that are there.

    Args:
        folder: Path or URL.
        inputs: Fingerprint of what they are made of.
        shapes: Name to what each is.
        pieces: Name and numbers; those of one name one behind the other make its array.

    Raises:
        StorageError: A file cannot be written.
        ValueError: The pieces of an array are more or fewer than it has.
    """
    storage.remove(storage.join(folder, FACTS))
    left = {name: math.prod(shape.sides) for name, shape in shapes.items()}
    with ExitStack() as stack:
        files = {name: stack.enter_context(storage.write_atomic(_file(folder, name))) for name in shapes}
        for name, (kind, sides) in shapes.items():
            header = {"descr": kind, "fortran_order": False, "shape": sides}
            np.lib.format.write_array_header_1_0(files[name], header)
        for name, piece in pieces:
            files[name].write(np.ascontiguousarray(piece, shapes[name].kind).tobytes())
            left[name] -= piece.size
        if any(left.values()):
            raise ValueError(f"numbers that are missing or too many: {left}")
    facts = {"inputs": inputs, "arrays": {name: [kind, list(sides)] for name, (kind, sides) in shapes.items()}}
    with storage.write_atomic(storage.join(folder, FACTS)) as file:
        file.write(json.dumps(facts, sort_keys=True).encode())


def open_arrays(folder: str, inputs: str) -> dict[str, Array] | None:
    """The arrays in a folder, mapped where it is one of this machine.

    Args:
        folder: Path or URL.
        inputs: Fingerprint of what they must be made of.

    Returns:
        Name to array; None where there are none, or none that are whole, or they are of something else.
    """
    try:
        facts = _facts(folder)
        if facts["inputs"] != inputs:
            return None
        shapes = {str(name): Shape(str(kind), tuple(sides)) for name, (kind, sides) in facts["arrays"].items()}
        arrays = {name: _opened(_file(folder, name), shape) for name, shape in shapes.items()}
        # somebody may have written others meanwhile; those that are open stay what they were
        return arrays if _facts(folder) == facts else None
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError):
        return None


def _facts(folder: str) -> Any:
    with storage.open(storage.join(folder, FACTS)) as file:
        return json.loads(file.read())


def _file(folder: str, name: str) -> str:
    return storage.join(folder, f"{name}.npy")


def _opened(url: str, shape: Shape) -> Array:
    size = math.prod(shape.sides)
    if storage.is_local(url) and size:  # what is empty cannot be mapped
        array: Any = np.load(storage.local_path(url), mmap_mode="r", allow_pickle=False)
    else:
        with storage.open(url) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    if not isinstance(array, np.ndarray) or Shape.of(array) != shape:
        raise ValueError("it is another array")  # noqa: TRY004 (damage of the file, like the others)
    return array
