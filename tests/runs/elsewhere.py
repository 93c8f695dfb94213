"""Runs of elsewhere made of rows, and what a decision makes of them."""

from __future__ import annotations

from dataclasses import replace

from tests.runs.paired import hashed_run
from tests.runs.tables import decisions

from nemo_curator.runs.deciding import Policy, decide, near_kinds
from nemo_curator.runs.elsewhere import OtherSet
from nemo_curator.runs.pairing.between import find_pairs_between
from nemo_curator.runs.pairing.searches import SEARCHES
from nemo_curator.runs.pairing.store import Wanted, find_pairs

COLUMNS = {"copies": "pdq", "turned": "pdq_turned", "similar": "embedding"}


def other_set(folder, role, name, *partitions, embeddings=None, how=None):
    """A set of elsewhere of these rows; an earlier run is decided by a policy, which keeps all by default."""
    run, ids = hashed_run(folder / name, *partitions, embeddings=embeddings)
    if role == "against":
        decide(run, ids, how or Policy(duplicate_bytes=False))
    return OtherSet.of(name, role, run, ids)


def wanted_by(how):
    """The pairs that a policy needs."""
    near = near_kinds(how.alike) if how.alike else ()
    return [Wanted(one.pairs, one.radius, {COLUMNS[one.pairs]: "x"}) for one in near]


def decided_beside(run, ids, how, others, searches=SEARCHES):
    """(id to row of the decisions, funnel) of a run beside sets of elsewhere, whose names the policy learns."""
    names = {role: tuple(one.name for one in others if one.role == role) for role in ("protect", "against")}
    how = replace(how, **names)
    pairs = find_pairs(run, ids, wanted_by(how), searches=searches) if how.within else {}
    between = find_pairs_between(run, ids, others, wanted_by(how), searches=searches)
    funnel = decide(run, ids, how, pairs=pairs, others=others, between=between)
    return {one["image_id"]: one for one in decisions(run)}, funnel
