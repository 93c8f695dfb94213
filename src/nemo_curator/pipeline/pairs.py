"""The pairs that a recipe's duplicates need: which, by which columns, and where the recipe says the radius."""

from __future__ import annotations

from collections.abc import Sequence

from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Searched, Searching
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Policy, near_kinds
from nemo_curator.runs.elsewhere import OtherSet
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.pairing.between import find_pairs_between
from nemo_curator.runs.pairing.distinct import PDQ, TURNED_PDQ
from nemo_curator.runs.pairing.pair_file import COPIES, SIMILAR, TURNED, PairFile
from nemo_curator.runs.pairing.searches import Tell
from nemo_curator.runs.pairing.store import Began, Wanted, find_pairs
from nemo_curator.runs.state import RunState

FOUND_BY = {COPIES: (PDQ,), TURNED: (PDQ, TURNED_PDQ), SIMILAR: (EMBEDDING,)}
"""Kind of pairs to the columns that they are found by."""

_KEYS = {"copy": ("duplicates", "copies"), "similar": ("duplicates", "similar")}
_RADII = {"copy": "distance", "similar": "eps"}


def pairs_for(
    state: RunState,
    recipe: Recipe,
    policy: Policy,
    partition_ids: Sequence[str],
    watcher: Watcher,
    folder: str | None = None,
) -> dict[str, PairFile]:
    """Find the pairs that a policy needs, or take those that the run has.

    Args:
        state: The run, whose partitions are all there.
        recipe: The recipe of the policy.
        policy: The policy.
        partition_ids: The partitions, in source order.
        watcher: Told of a search.
        folder: Where to put what is not there; in the run by default.

    Returns:
        Kind of pairs to their file.

    Raises:
        CuratorError: As `runs.pairing.store.find_pairs`.
    """
    wanted = _wanted(state, recipe, policy) if policy.within else []
    return find_pairs(state.run, partition_ids, wanted, folder=folder, began=_told(watcher))


def pairs_between_for(
    state: RunState,
    recipe: Recipe,
    policy: Policy,
    partition_ids: Sequence[str],
    others: Sequence[OtherSet],
    watcher: Watcher,
    folder: str | None = None,
) -> dict[str, dict[str, PairFile]]:
    """Find the pairs with images of elsewhere that a policy needs, or take those that the run has.

    Args:
        state: The run, whose partitions are all there.
        recipe: The recipe of the policy.
        policy: The policy.
        partition_ids: The partitions, in source order.
        others: The sets of elsewhere.
        watcher: Told of a search.
        folder: Where to put what is not there; in the run by default.

    Returns:
        Key of a set to kind of pairs to their file.

    Raises:
        CuratorError: As `runs.pairing.between.find_pairs_between`.
    """
    wanted = _wanted(state, recipe, policy)
    return find_pairs_between(state.run, partition_ids, others, wanted, folder=folder, began=_told(watcher))


def _wanted(state: RunState, recipe: Recipe, policy: Policy) -> list[Wanted]:
    wanted = []
    for near in near_kinds(policy.alike) if policy.alike else ():
        columns = {name: state.fingerprints.get(name, "") for name in FOUND_BY[near.pairs]}
        key = (*_KEYS[near.rule], _RADII[near.rule])
        where = recipe.place(*key) or recipe.place(*key[:-1]) or ".".join(key)
        wanted.append(Wanted(near.pairs, near.radius, columns, where))
    return wanted


def _told(watcher: Watcher) -> Began:
    def began(kind: str, rows: int) -> Tell:
        watcher.told(Searching(kind, rows))
        return lambda images: watcher.told(Searched(images))

    return began
