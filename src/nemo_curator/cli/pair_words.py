"""Words about near images: kinds of pairs, how far apart two are, what a search found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_curator.cli.amounts import counted

if TYPE_CHECKING:  # commands that only need words wait for no pyarrow
    from nemo_curator.runs.pairing.pair_file import PairFacts

_KINDS = {"copies": "copies", "turned": "copies (turned ones too)", "similar": "look-alikes"}


def kind_words(kind: str) -> str:
    """What pairs of a kind are called."""
    return _KINDS.get(kind, kind)


def how(rule: str, distance: float | None) -> str:
    """By which rule an image shows another one, and how far apart the two are.

    Args:
        rule: `same_bytes`, `same_pixels`, `copy` or `similar`.
        distance: Bits between hashes, or 1 - cosine of embeddings; None where bytes or pixels are equal.
    """
    if distance is None:
        return rule
    return f"{rule}, {counted(int(distance), 'bit') if rule == 'copy' else f'{distance:.4g}'} apart"


def pairs_note(facts: PairFacts) -> str:
    """What is known of the pairs of one kind, in a sentence."""
    role, _, name = facts.other.partition("-")
    beside = f" with {'the protect set' if role == 'protect' else 'the earlier run'} {name}" if facts.other else ""
    radius = f"{facts.radius:g}" if facts.kind == "similar" else counted(int(facts.radius), "bit")
    found = f"{counted(facts.pairs, 'pair')} of {kind_words(facts.kind)} within {radius}{beside}"
    return f"{found}, among {facts.distinct:,} different images{_recall(facts)}"


def _recall(facts: PairFacts) -> str:
    """How much a search that looks not at every pair finds, as the end of a sentence."""
    recall = facts.recall
    if facts.exact or recall is None:
        return ""
    looked = f"each was compared with those of {counted(recall.probes, 'cell')}"
    if recall.share is None:
        return f"; {looked}, and of {recall.rows:,} sampled images none has a pair to measure by what that finds"
    return (
        f"; {looked}, which finds {recall.share:.2%} of the {counted(recall.pairs, 'pair')} of {recall.rows:,} sampled "
        f"images (of all pairs at least {recall.at_least:.2%}, with 95% confidence)"
    )
