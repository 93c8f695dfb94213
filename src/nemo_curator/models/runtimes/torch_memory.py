"""How much of a device's memory a tower takes, and how many items it may therefore compute at once."""

from __future__ import annotations

from importlib import import_module
from typing import Any

BATCH = 32
"""Items of a batch on CUDA: what stages hand over at once. Small enough that activations of ViT-L/14 take 0.2 GB."""


def fitting(total: int, held: int, each: int) -> int:
    """How many items are computed at once: at most `BATCH`, and half as many until all fits into half of the memory.

    It is a function of the device and the model, and not of what is free just now: the last bits of a result depend on
    it, and a run that is resumed beside another program must not change them.

    Args:
        total: Bytes of the device's memory.
        held: Bytes of the weights.
        each: Bytes that are live at most while one item is computed.
    """
    batch = BATCH
    while batch > 1 and held + batch * each > total // 2:
        batch //= 2
    return batch


def live_bytes(module: Any, item: Any) -> int:
    """The most bytes of values that are held at a time while one item is computed, without the weights.

    Args:
        module: A graph of `torch.fx`.
        item: A batch of one.
    """
    torch: Any = import_module("torch")
    interpreter: Any = import_module("torch.fx").Interpreter

    class Watching(interpreter):  # type: ignore[misc]  # torch is an extra
        most = 0

        def run_node(self, n: Any) -> Any:
            result = super().run_node(n)
            if n.op == "get_attr":
                return result
            values = [value for node, value in self.env.items() if node.op != "get_attr"]
            held = {storage.data_ptr(): storage.nbytes() for storage in _storages([*values, result])}
            self.most = max(self.most, sum(held.values()))
            return result

    watching = Watching(module)
    with torch.inference_mode():
        watching.run(item)
    return watching.most


def _storages(values: Any) -> list[Any]:
    if hasattr(values, "untyped_storage"):
        return [values.untyped_storage()]
    return [one for value in values for one in _storages(value)] if isinstance(values, list | tuple) else []


def held_bytes(module: Any) -> int:
    """Bytes of a module's arrays."""
    return sum(int(one.nbytes) for one in module.buffers())
