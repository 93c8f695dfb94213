"""A missing optional package becomes one helpful sentence."""

from __future__ import annotations

import importlib
from types import ModuleType

from nemo_curator.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import `module`, or say which extra brings it.

    Args:
        module: Dotted module name.
        extra: Name of the extra of this distribution that installs it.
        purpose: What needs it, as the subject of a sentence ("Pandas output").

    Raises:
        MissingExtraError: The module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != module.split(".", maxsplit=1)[0]:
            raise
        raise MissingExtraError(
            f"{purpose} needs the package {module.split('.', maxsplit=1)[0]!r}, which is not installed",
            act=f"run: pip install 'imagecurator[{extra}]'",
        ) from None
