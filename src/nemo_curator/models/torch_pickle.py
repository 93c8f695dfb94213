"""The pickle inside a torch file, interpreted without `pickle`.

Unpickling is running a program. This interpreter knows only the instructions that a state dict needs, calls
nothing, imports nothing, and turns each tensor into a plain description (`TensorRecord`). It admits what torch's own
`weights_only=True` admits for a state dict, and less.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

_TENSOR = "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
_DICT = "collections OrderedDict"

# torch's storage class to NumPy's little-endian type; NumPy has no bfloat16, so that one is widened by the reader
STORAGE_TYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}

_LONGEST_NAME = 1000
_MARK = object()
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "MARK": _MARK}
_LITERALS = {"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}


class PickleRefusedError(Exception):
    """The pickle holds something other than tensors in dictionaries; the message is the clause that says what."""


@dataclass(frozen=True, slots=True)
class StorageRecord:
    """A block of numbers: its type in NumPy's words (or `bfloat16`), its key in the file, its element count."""

    dtype: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """A window on a storage: offset and strides count elements, not bytes."""

    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


class ByteStream(Protocol):
    """What the interpreter reads from."""

    def read(self, length: int, /) -> bytes:
        """At most `length` bytes."""

    def readline(self) -> bytes:
        """Up to the next line feed."""

    def tell(self) -> int:
        """The position."""


def read_pickle(stream: ByteStream) -> Any:
    """The value of the pickle that starts at `stream`'s position: dicts, lists, tuples, numbers, `TensorRecord`s.

    Args:
        stream: Left just behind the pickle.

    Raises:
        PickleRefusedError: The pickle names a global or uses an instruction that no state dict needs.
        ValueError, KeyError, IndexError, TypeError: The pickle is damaged.
    """
    machine = _Machine()
    for opcode, argument, _ in pickletools.genops(cast("IO[bytes]", stream)):
        if opcode.name == "STOP":
            return machine.stack.pop()
        machine.step(opcode.name, argument)
    raise ValueError("the pickle has no end")


class _Machine:
    """A stack, a memo, and one method for each kind of instruction."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.actions: dict[str, Callable[[Any], None]] = {
            "PROTO": _ignore,
            "FRAME": _ignore,
            "BUILD": lambda _: self._drop(),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "TUPLE": lambda _: self.stack.append(tuple(self._since_mark())),
            "TUPLE1": lambda _: self._tuple(1),
            "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
            "APPEND": lambda _: self._append([self.stack.pop()]),
            "APPENDS": lambda _: self._append(self._since_mark()),
            "SETITEM": lambda _: self._set([self.stack.pop(-2), self.stack.pop()]),
            "SETITEMS": lambda _: self._set(self._since_mark()),
            "BINPUT": self._put,
            "LONG_BINPUT": self._put,
            "MEMOIZE": lambda _: self._put(len(self.memo)),
            "BINGET": lambda index: self.stack.append(self.memo[index]),
            "LONG_BINGET": lambda index: self.stack.append(self.memo[index]),
            "GLOBAL": self._global,
            "STACK_GLOBAL": lambda _: self._global(f"{self.stack.pop(-2)} {self.stack.pop()}"),
            "BINPERSID": lambda _: self.stack.append(_storage(self.stack.pop())),
            "REDUCE": lambda _: self._reduce(),
        }

    def step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in self.actions:
            self.actions[name](argument)
        else:
            raise PickleRefusedError(f"the pickle instruction {name}")

    def _drop(self) -> None:
        # a state dict's BUILD sets `_metadata` (layer versions): no tensor is in it
        self.stack.pop()

    def _since_mark(self) -> list[Any]:
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            if start == 0:
                raise ValueError("a mark is missing")
            start -= 1
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def _tuple(self, length: int) -> None:
        if len(self.stack) < length:
            raise ValueError("the stack is too short")
        self.stack[-length:] = [tuple(self.stack[-length:])]

    def _append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError("items are appended to something that is no list")
        target.extend(items)

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise TypeError("items are set in something that is no dictionary")
        # names only: hashing a tuple of tuples of tuples takes time without end
        if any(type(key) not in {str, int} or (type(key) is str and len(key) > _LONGEST_NAME) for key in items[::2]):
            raise ValueError("a dictionary's key is no short name")
        target.update(zip(items[::2], items[1::2], strict=True))

    def _put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def _global(self, name: str) -> None:
        module, _, attribute = name.partition(" ")
        if name in {_TENSOR, _PARAMETER, _DICT} or (module == "torch" and attribute in STORAGE_TYPES):
            self.stack.append(_Global(name))
        else:
            raise PickleRefusedError(f"the global {module}.{attribute}")

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise TypeError("something that is no function is called")
        self.stack.append(_call(function.name, arguments))


def _ignore(_: Any) -> None:
    pass


def _storage(identity: Any) -> StorageRecord:
    tag, kind, key, _device, count, *view = identity
    if type(tag) is not str or tag != "storage" or any(part is not None for part in view):
        raise PickleRefusedError("a persistent object that is no storage")
    if not isinstance(kind, _Global) or type(key) is not str:
        raise TypeError("a storage has no type or no key")
    return StorageRecord(STORAGE_TYPES[kind.name.partition(" ")[2]], key, _natural(count))


def _call(function: str, arguments: tuple[Any, ...]) -> Any:
    if function == _DICT and not arguments:
        return {}
    if function == _PARAMETER:
        tensor, _requires_grad, _hooks = arguments
        return tensor
    if function != _TENSOR:
        raise TypeError(f"{function} is called")
    storage, offset, shape, stride, _requires_grad, _hooks, *_ = arguments
    if not isinstance(storage, StorageRecord):
        raise TypeError("a tensor has no storage")
    return TensorRecord(storage, _natural(offset), tuple(map(_natural, shape)), tuple(map(_natural, stride)))


def _natural(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError("a size or stride is no natural number")  # not its repr: that may be of any length
    return number
