"""Named arrays in a folder: mapped when they are opened, so that of much only what is looked at is read.

Each is a plain `.npy` file. `facts.json` comes last and goes first: it says of what they are, of which shape, and gives
a checksum of each, so that nothing is taken for whole that is not. What stands in such a folder can be made again;
where it is damaged it counts as missing. The checksum of a large array, of which only some is looked at, may be left
unchecked. Nothing is unpickled.
"""

from __future__ import annotations

import io
import json
import math
import zlib
from collections.abc import Collection, Iterable, Mapping
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
    sums = dict.fromkeys(shapes, 0)
    with ExitStack() as stack:
        files = {name: stack.enter_context(storage.write_atomic(_file(folder, name))) for name in shapes}
        for name, shape in shapes.items():
            files[name].write(_header(shape))
        for name, piece in pieces:
            data = _bytes_of(np.ascontiguousarray(piece, shapes[name].kind))
            files[name].write(data)
            sums[name] = zlib.crc32(data, sums[name])
            left[name] -= piece.size
        if any(left.values()):
            raise ValueError(f"numbers that are missing or too many: {left}")
    arrays = {name: [kind, list(sides), sums[name]] for name, (kind, sides) in shapes.items()}
    with storage.write_atomic(storage.join(folder, FACTS)) as file:
        file.write(json.dumps({"inputs": inputs, "arrays": arrays}, sort_keys=True).encode())


def open_arrays(folder: str, inputs: str, unchecked: Collection[str] = ()) -> dict[str, Array] | None:
    """The arrays in a folder, mapped where it is one of this machine.

    Args:
        folder: Path or URL.
        inputs: Fingerprint of what they must be made of.
        unchecked: Those that are not read whole for the sake of their checksum.

    Returns:
        Name to array; None where there are none, or none that are whole, or they are of something else.
    """
    try:
        facts = _facts(folder)
        if facts["inputs"] != inputs:
            return None
        arrays = {}
        for name, (kind, sides, checksum) in facts["arrays"].items():
            array = _opened(_file(folder, name), Shape(str(kind), tuple(map(int, sides))))
            if name not in unchecked and zlib.crc32(_bytes_of(array)) != checksum:
                return None
            arrays[str(name)] = array
        # somebody may have written others meanwhile; those that are open stay what they were
        return arrays if _facts(folder) == facts else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _facts(folder: str) -> Any:
    with storage.open(storage.join(folder, FACTS)) as file:
        return json.loads(file.read())


def _file(folder: str, name: str) -> str:
    return storage.join(folder, f"{name}.npy")


def _header(shape: Shape) -> bytes:
    """How a file of such an array begins."""
    out = io.BytesIO()
    header = {"descr": shape.kind, "fortran_order": False, "shape": shape.sides}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue()


def _bytes_of(array: Array) -> memoryview:
    """The bytes of an array that lies in one piece, not copied."""
    return array.reshape(-1).view(np.uint8).data


def _opened(url: str, shape: Shape) -> Array:
    header, kind = _header(shape), np.dtype(shape.kind)
    size = math.prod(shape.sides) * kind.itemsize
    with storage.open(url) as file:
        if file.read(len(header)) != header or storage.stat(url).size != len(header) + size:
            raise ValueError("it is another array")
        if not (storage.is_local(url) and size):  # what is empty cannot be mapped
            return np.frombuffer(file.read(size), kind).reshape(shape.sides)
    return np.memmap(storage.local_path(url), kind, "r", len(header), shape.sides)
