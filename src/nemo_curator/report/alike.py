"""Duplicates beside the images that stay, and images beside the protected ones that they show."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nemo_curator import storage
from nemo_curator.errors import CuratorError
from nemo_curator.report.content import Alike, Leaked, Leaks, Removed
from nemo_curator.report.figure import Figure
from nemo_curator.report.samples import Row
from nemo_curator.report.verdicts import Verdicts, evenly
from nemo_curator.report.words import distance_words, duplicate_words, shown_id
from nemo_curator.runs.deciding.leaks import Leaks as StoredLeaks
from nemo_curator.runs.deciding.leaks import read_leaks
from nemo_curator.runs.layout import RunDirectory

_GROUPS, _MEMBERS, _LEAKS = 24, 4, 24


def alike_of(verdicts: Verdicts) -> tuple[Alike, ...]:
    """Some groups of duplicates of each kind; of those with a distance also the ones that are farthest apart.

    Args:
        verdicts: The verdicts of the run.
    """
    rules = verdicts.rules("duplicate")
    each = max(1, _GROUPS // max(1, len(rules)))
    chosen: list[int] = []
    for rule in rules:
        places, distances = verdicts.distances(rule)
        order = np.argsort(-np.nan_to_num(distances), kind="stable")[: each // 2]
        far: list[int] = places[order].tolist() if np.nan_to_num(distances).any() else []
        chosen += [*far, *evenly(places, each - len(far))]
    decided = verdicts.rows(chosen)
    kept_ids = [one for row in decided.values() if (one := row["duplicate_of"])]
    members = verdicts.duplicates_of(kept_ids, _MEMBERS)
    places_of_kept = verdicts.places(list(members))
    shown: dict[str, list[int]] = {}
    for position in dict.fromkeys(chosen):
        kept_id = decided[position]["duplicate_of"] or ""
        shown.setdefault(kept_id, []).append(position)
    for kept_id, mine in shown.items():
        _, first = members.get(kept_id, (0, []))
        mine[:] = list(dict.fromkeys([*mine, *first]))[:_MEMBERS]
    every = verdicts.rows([one for mine in shown.values() for one in mine])
    return tuple(
        Alike(
            kept=places_of_kept.get(kept_id),
            kept_id=shown_id(kept_id),
            size=members.get(kept_id, (len(mine), []))[0],
            removed=tuple(_removed(position, every[position]) for position in mine),
        )
        for kept_id, mine in shown.items()
    )


def _removed(position: int, row: Row) -> Removed:
    rule = row["rule"] or ""
    return Removed(position, duplicate_words(rule), distance_words(rule, row["score"]))


def stored_leaks(run: RunDirectory, most: int = _LEAKS) -> StoredLeaks | None:
    """Leaks of protect sets, of each image the nearest; None where no set was looked at, or they cannot be read.

    Args:
        run: The run.
        most: So many images at most.
    """
    if not storage.exists(run.leaks):
        return None
    try:
        return read_leaks(run, "image", most, 1)
    except CuratorError:
        return None  # `imagecurator leaks` tells what is wrong with them; the page is of more than that


def leaks_of(stored: StoredLeaks, places: Mapping[str, int], protected: Mapping[str, Figure]) -> Leaks:
    """Leaks with their pictures.

    Args:
        stored: What the decision wrote.
        places: Image id to position.
        protected: Id of a protected image, behind the name of its set, to its figure.
    """
    listed = [
        Leaked(
            places[leak.image_id],
            shown_id(end.image_id),
            duplicate_words(end.kind),
            distance_words(end.kind, end.distance),
            leak.size - 1,
            protected.get(end.image_id),
        )
        for leak in stored.listed
        if leak.image_id in places
        for end in leak.ends[:1]
    ]
    return Leaks(stored.images, stored.protected, tuple(listed))
