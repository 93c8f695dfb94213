"""Finding weight files, proving what they are, and reading the safetensors ones.

The hash of a large file is kept beside the cached graphs, so that gigabytes are read once and not at every start. It is
believed only for the same place, size, and times of the last write and change. Where nothing can be written, it is
computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator import storage
from nemo_curator.errors import StorageError, WeightsError
from nemo_curator.models.graph_cache import cache_dir
from nemo_curator.models.legible import is_file, legible, mistaken

SETTINGS = ("config.json", "preprocessor_config.json")
"""Files beside a user's weights that say how these are used, as model hubs lay them out."""

OPEN_CLIP = "open_clip_"
"""What the names of weight files in OpenCLIP's own layout begin with."""

OPEN_CLIP_SETTINGS = ("open_clip_config.json",)
"""The settings beside those."""

MODEL_DIR = "IMAGECURATOR_MODEL_DIR"
"""Environment variable that names the directory of a user's models where no `model_dir` is given."""

_SMALL = 1 << 20  # bytes; such a file is read sooner than looked up
_DIGEST = re.compile(rb"[0-9a-f]{64}")
_FLOATS = {"F64", "F32", "F16", "BF16"}  # what expect_shapes takes, in the words of safetensors
_FLOAT, _NO_FLOAT = np.float32(0), np.int64(0)
_Identity = tuple[str, int, int, int]
_digests: dict[_Identity, str] = {}


def read_safetensors(path: str | os.PathLike[str], prefixes: tuple[str, ...] = ("",)) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a safetensors file, by name; bfloat16 becomes float32, exactly.

    Args:
        path: The file.
        prefixes: Only tensors whose names start with one of these are read from disk.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: The file is no safetensors file, is truncated, or holds a type that NumPy lacks.
    """
    with _opened(path) as file:
        wanted = [name for name in file.keys() if name.startswith(prefixes)]  # noqa: SIM118  it is no mapping
        brain = [name for name in wanted if file.get_slice(name).get_dtype() == "BF16"]
        found = {name: file.get_tensor(name) for name in wanted if name not in brain}
        # read beside the library, which gives them to no NumPy; it has proven that they lie inside the file
        return found | (_brain_floats(Path(path), brain) if brain else {})


def safetensors_outlines(
    path: str | os.PathLike[str], prefixes: tuple[str, ...] = ("",)
) -> dict[str, npt.NDArray[Any]]:
    """The same without the numbers: arrays of zeros that take no memory, of floats where the file's are.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: The file cannot be read, is no safetensors file, or is truncated.
    """
    with _opened(path) as file:
        wanted = [name for name in file.keys() if name.startswith(prefixes)]  # noqa: SIM118  it is no mapping
        slices = {name: file.get_slice(name) for name in wanted}
        return {
            name: np.broadcast_to(_FLOAT if one.get_dtype() in _FLOATS else _NO_FLOAT, one.get_shape())
            for name, one in slices.items()
        }


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A safetensors file, whatever goes wrong with it being one of our errors."""
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415  not needed to import the room

    with legible(Path(path)), Path(path).open("rb"):
        pass  # the library says of a file that nobody may read that it is not there
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        what, act = mistaken(Path(path)) or (str(error), "")
        raise WeightsError(
            f"the file is not readable as safetensors: {what}", where=str(path), act=act or "fetch it again"
        ) from error


def widened(halves: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """bfloat16, of which NumPy knows nothing, as float32, exactly: its 16 bits are the upper ones of these."""
    return (halves.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _brain_floats(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
    """Tensors of bfloat16 of a file whose header is sound."""
    found = {}
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        for name in names:
            start, end = header[name]["data_offsets"]
            file.seek(8 + length + start)
            halves = np.frombuffer(file.read(end - start), "<u2").astype(np.uint16, copy=False)
            found[name] = widened(halves).reshape(header[name]["shape"])
    return found


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file's bytes, computed once in a process for a large file that does not change.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It cannot be read.
    """
    identity = _identity(path)
    return _digests.get(identity) or _hashed(path, identity)


def weights_sha256(path: str | os.PathLike[str]) -> str:
    """The same for telling weights apart: a large file that does not change is read once, by any process of the user.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It cannot be read.
    """
    identity = _identity(path)
    if identity in _digests or identity[1] <= _SMALL:
        return sha256_of(path)
    try:
        place = cache_dir().parent / "digests" / hashlib.sha256(os.fsencode(repr(identity))).hexdigest()[:32]
    except RuntimeError:  # the user has no home directory
        return sha256_of(path)
    with contextlib.suppress(OSError):
        known = place.read_bytes()
        if _DIGEST.fullmatch(known):
            return known.decode()
    digest = _hashed(path, identity)
    with contextlib.suppress(OSError, StorageError), storage.write_atomic(str(place)) as file:
        file.write(digest.encode())
    return digest


def fresh_sha256(path: str | os.PathLike[str]) -> str:
    """The same, of the bytes as they are now: no answer of before is believed, not even for a file that never changed.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It cannot be read.
    """
    return _hashed(path, _identity(path))


def settings_sha256(weights: str | os.PathLike[str]) -> dict[str, str]:
    """Name to hex SHA-256 of the settings that lie beside a weight file; one that is not there is left out."""
    # a repository may hold the same weights in two layouts, and only the settings of the one that is used count
    names = OPEN_CLIP_SETTINGS if Path(weights).name.startswith(OPEN_CLIP) else SETTINGS
    beside = (Path(weights).parent / name for name in names)
    return {path.name: sha256_of(path) for path in beside if is_file(path)}


def _identity(path: str | os.PathLike[str]) -> _Identity:
    with legible(Path(path)):
        facts = Path(path).stat()
    # a copy may bring the time of its writing along, never that of its last change
    return os.path.realpath(path), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _hashed(path: str | os.PathLike[str], identity: _Identity) -> str:
    with legible(Path(path)), Path(path).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if identity[1] > _SMALL:
        _digests[identity] = digest
    return digest


def verify_sha256(path: str | os.PathLike[str], expected: str) -> None:
    """Refuse a file that is not, byte for byte, the one that was pinned.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: Its SHA-256 is another, or it cannot be read.
    """
    actual = sha256_of(path)
    if actual != expected:
        raise WeightsError(
            f"the weights are not the pinned ones: sha256 is {actual}, expected {expected}",
            where=str(path),
            cause="a damaged download or another version of the file",
            act="install the file again",
        )


def model_directory(model_dir: str | os.PathLike[str] | None) -> Path | None:
    """The directory that holds a user's models: the one that is given, else `$IMAGECURATOR_MODEL_DIR`, else None."""
    named = os.environ.get(MODEL_DIR) if model_dir is None else model_dir
    if not named:
        return None
    with contextlib.suppress(RuntimeError):  # a user of that name is not known here
        return Path(named).expanduser()  # what no shell has read may begin with ~
    return Path(named)


def package_file(package: str, relative: str) -> Path | None:
    """The path of a data file inside an installed package, found without importing it; None where it is absent.

    Args:
        package: Import name of a top-level package.
        relative: The file's place inside it.
    """
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    for location in (spec and spec.submodule_search_locations) or ():
        path = Path(location) / relative
        if path.is_file():
            return path
    return None


def expect_shapes(
    tensors: Mapping[str, npt.NDArray[Any]], expected: Mapping[str, tuple[int, ...]], *, where: str
) -> dict[str, npt.NDArray[np.float32]]:
    """The named tensors as float32 arrays in C order, or a refusal that names the first one that is wrong.

    Args:
        tensors: What the file holds; names that are not expected are left out.
        expected: Name to shape.
        where: The file, for the message.

    Raises:
        WeightsError: A tensor is missing, has another shape, is not of floats, or holds NaN or infinity.
    """
    for name, shape in expected.items():
        expect_shape(tensors, name, shape, where=where)
        if not np.isfinite(tensors[name]).all():
            raise WeightsError(f"tensor {name!r} holds NaN or infinity", where=where, act="fetch it again")
    return {name: np.ascontiguousarray(tensors[name], np.float32) for name in expected}


def expect_shape(tensors: Mapping[str, npt.NDArray[Any]], name: str, shape: tuple[int, ...], *, where: str) -> None:
    """Refuse a file that has no tensor of floats of that name and shape.

    Args:
        tensors: What the file holds.
        name: The tensor's name.
        shape: The shape.
        where: The file, for the message.

    Raises:
        WeightsError: It is missing, has another shape, or is not of floats.
    """
    if name not in tensors:
        raise WeightsError(
            f"the weights have no tensor {name!r} of shape {list(shape)}",
            where=where,
            cause="the file belongs to another model",
        )
    tensor = tensors[name]
    if tensor.shape != shape or tensor.dtype.kind != "f":
        raise WeightsError(
            f"tensor {name!r} is {tensor.dtype} {list(tensor.shape)}, expected floats {list(shape)}",
            where=where,
            cause="the file belongs to another model",
        )
