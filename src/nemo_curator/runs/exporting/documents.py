"""What stands beside a data set for people and other programs, made of its manifest: a card, a Croissant description.

They are listed in the manifest with their hashes. A card that somebody edited is theirs: it is never overwritten or
removed. Killed at any moment, the same call again ends in the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from nemo_curator import storage
from nemo_curator.errors import OutputExistsError
from nemo_curator.runs.exporting import card, croissant
from nemo_curator.runs.exporting.manifest import DOCUMENTS, delivered, own_documents, store_manifest
from nemo_curator.runs.exporting.survey import survey
from nemo_curator.runs.exporting.writing import holds, write_unless_there

DOCUMENT_NAMES = (card.NAME, croissant.NAME)
"""What they are called."""


def refuse_documents(output: str) -> None:
    """Make sure that no file of somebody else stands where documents are to be written.

    Raises:
        OutputExistsError: One does.
    """
    ours = own_documents(output, delivered(output) or {})
    for name in (card.NAME, croissant.NAME):
        if name not in ours and storage.exists(storage.join(output, name)):
            raise _in_the_way(output, name)


def add_documents(output: str) -> None:
    """Write the documents of a whole data set, and list them in its manifest; what is there and right stays.

    Args:
        output: The data set.

    Raises:
        OutputExistsError: A file of somebody else stands in their place.
        StorageError: One cannot be written.
        VerificationError: The data set cannot be read.
    """
    manifest = delivered(output)
    if manifest is None:
        return
    ours = own_documents(output, manifest)
    written = _written(output, {key: value for key, value in manifest.items() if key != DOCUMENTS})
    edited = []
    for one in manifest.get(DOCUMENTS, ()):
        name, location = str(one["name"]), storage.join(output, str(one["name"]))
        new = name in written and holds(location, written[name])  # written, and killed before it could be listed
        if name not in ours and not new and storage.exists(location):
            edited.append(one)
    facts = []
    for name, data in written.items():
        if any(one["name"] == name for one in edited):
            continue
        location = storage.join(output, name)
        if name not in ours and storage.exists(location) and not holds(location, data):
            raise _in_the_way(output, name)
        write_unless_there(location, data)
        facts.append({"name": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})
    store_manifest(output, {**manifest, DOCUMENTS: sorted([*edited, *facts], key=lambda one: str(one["name"]))})


def remove_documents(output: str) -> None:
    """Remove the documents of a data set that are as we wrote them: without the manifest nobody knows whose they are.

    Args:
        output: The data set.

    Raises:
        StorageError: One cannot be removed.
    """
    for name in sorted(own_documents(output, delivered(output) or {})):
        storage.remove(storage.join(output, name))


def _written(output: str, manifest: Mapping[str, Any]) -> dict[str, bytes]:
    found = survey(output, manifest)
    return {card.NAME: card.card(manifest, found), croissant.NAME: croissant.croissant(manifest, found.schema)}


def _in_the_way(output: str, name: str) -> OutputExistsError:
    return OutputExistsError(
        f"this holds a {name} that imagecurator did not write, or that was edited since",
        where=output,
        act="move it away, or leave out `card`",
    )
