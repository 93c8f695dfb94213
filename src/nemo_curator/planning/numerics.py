"""How models of a run are computed: what is settled, what has to be tried, and on which images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, get_args

from nemo_curator.models.numerics import Device, Numerics, Precision, Runtime, is_tower
from nemo_curator.models.registry import ModelSpec
from nemo_curator.planning.recipe import InferenceSection
from nemo_curator.shards.entry import Entry

LEAST_IMAGES = 16
"""Images without which nothing is tried."""

MOST_IMAGES = 64
"""Images that a trial looks at."""

RECORDED = "numerics"
"""Where `run.json` holds what is settled."""

TOO_FEW = "there are too few images for a trial to pay"
NOTHING_ELSE = "nothing faster is installed, or runs on this CPU"
ASKED_FOR = "the recipe asks for that precision"
"""Why there was no trial, where that is as it should be."""

_SHARE = 4  # a trial may look at one image in so many: of fewer, it would cost more than it saves
_MOST_SHARDS = 8  # shards that are opened for a trial
_USUAL_BYTES = 100_000  # of an image in a shard where nobody looked
_LOOKED_AT = 3  # shards whose beginnings tell how large a sample is


def to_measure(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Where the shards lie whose beginnings tell how many samples the shards of an input hold."""
    shards = [entry for entry in entries if entry.is_shard]
    return tuple(entry.location for entry in _evenly(shards, _LOOKED_AT))


def sample_of(entries: Sequence[Entry], sample_bytes: int | None = None) -> tuple[tuple[Entry, ...], int, int]:
    """Which files a trial reads: loose images and shards, evenly from the whole input.

    Args:
        entries: The input, in source order.
        sample_bytes: Bytes of a shard that one of its samples takes; None where nobody knows.

    Returns:
        The files, in source order; how many samples of each are read; how many images are looked at in all. Nothing of
        them where the input is too small for a trial to pay.
    """
    there = [entry for entry in entries if entry.kind != "stray"]
    each = sample_bytes or _USUAL_BYTES
    counts = [max(1, entry.size // each) if entry.is_shard else 1 for entry in there]
    wanted = min(MOST_IMAGES, sum(counts) // _SHARE)
    if wanted < LEAST_IMAGES:
        return (), 0, 0
    loose = [entry for entry in there if not entry.is_shard]
    shards = _evenly([entry for entry in there if entry.is_shard], _MOST_SHARDS)
    alone = _evenly(loose, max(wanted * len(loose) // sum(counts), 1 if loose else 0) if shards else wanted)
    chosen = tuple(entry for entry in there if entry in {*shards, *alone})
    return chosen, -(-(wanted - len(alone)) // len(shards)) if shards else 1, wanted


def _evenly(entries: Sequence[Entry], most: int) -> tuple[Entry, ...]:
    if len(entries) <= most:
        return tuple(entries)
    return tuple(entries[index * len(entries) // most] for index in range(most))


@dataclass(frozen=True, slots=True)
class Settled:
    """How a model of a run is computed, for as long as the run goes on.

    Attributes:
        numerics: Runtime and precision.
        weights: What the model's weights and settings were when that was settled.
        tried: Figures of the trial, in the order tried; nothing where there was none.
        why: Why there was no trial, or why it does not count; "" where it does.
    """

    numerics: Numerics
    weights: Mapping[str, Any]
    tried: tuple[Mapping[str, Any], ...] = ()
    why: str = ""

    def answers(self, runtime: str | None, precision: str | None) -> bool:
        """Whether it is one of the ways that a recipe asks for; None means that it leaves that open."""
        return runtime in {None, self.numerics.runtime} and precision in {None, self.numerics.precision}

    @property
    def is_news(self) -> bool:
        """Whether a user should be told: something was tried, be it in vain."""
        return self.why not in {TOO_FEW, NOTHING_ELSE, ASKED_FOR}

    def facts(self) -> dict[str, Any]:
        """Plain data for `from_facts`."""
        tried = [dict(one) for one in self.tried]
        return {**self.numerics.facts(), "weights": dict(self.weights), "tried": tried, "why": self.why}

    @classmethod
    def from_facts(cls, facts: Any) -> Self | None:
        """What `facts` gave; None for anything else."""
        try:
            numerics = Numerics(facts["runtime"], facts["precision"], facts.get("device", "cpu"))
            tried = tuple(dict(one) for one in facts["tried"])
            settled = cls(numerics, dict(facts["weights"]), tried, str(facts["why"]))
        except (TypeError, KeyError, ValueError):
            return None
        known = numerics.runtime in get_args(Runtime) and numerics.precision in get_args(Precision)
        known = known and numerics.device in get_args(Device) and all(map(_is_sound, tried))
        return settled if known else None

    def sentence(self, model: str) -> str:
        """What a user should know of it."""
        if self.why:
            return f"{model} is computed in {self.numerics}: {self.why}"
        last = self.tried[-1] if self.tried else {}
        images = f"{last.get('images', 0):,} of your images"
        if self.numerics.precision == "fp32":
            return f"{model} is computed in {self.numerics}: no lower precision agrees with it on {images}"
        cosine, drift = float(last.get("cosine", 1)), float(last.get("drift", 0))
        far = f"worst cosine {cosine:.5f}" if cosine < 1 else f"largest drift {drift:.5f} of the scale"
        return f"{model} is computed in {self.numerics}, which agrees with fp32 on {images} ({far})"


def settled_in(facts: Mapping[str, Any]) -> dict[str, Settled]:
    """Model to what is settled for it in a run.

    Args:
        facts: What `run.json` says; it holds them under `RECORDED`.
    """
    held = facts.get(RECORDED)
    pairs = ((str(name), Settled.from_facts(one)) for name, one in (held if isinstance(held, dict) else {}).items())
    return {name: settled for name, settled in pairs if settled is not None}


def _is_sound(figures: Mapping[str, Any]) -> bool:
    """Whether the figures of a candidate are numbers: people may have been at the file that they come from."""
    changed = figures.get("changed", {})
    shares = list(changed.values()) if isinstance(changed, Mapping) else [None]
    numbers = [figures.get(name, 0) for name in ("images", "cosine", "drift", "seconds", "fp32_seconds")]
    return all(isinstance(one, int | float) for one in (*numbers, *shares))


def asked_for(
    spec: ModelSpec, own: tuple[str | None, str | None], inference: InferenceSection
) -> tuple[str | None, str | None]:
    """The runtime and precision that a recipe asks for; None for what it leaves open.

    Args:
        spec: The model.
        own: What the score's own parameters say.
        inference: What the recipe says of all models. A precision that this one is not computed in means `fp32`, and
            torch, where this one is no tower, means what is used where nobody chose.
    """
    runtime, precision = own
    if runtime is None and inference.runtime != "auto" and (inference.runtime != "torch" or is_tower(spec.precisions)):
        runtime = inference.runtime
    if precision is None and inference.precision != "auto":
        precision = inference.precision if inference.precision in spec.precisions else "fp32"
    return runtime, precision
