"""From a run directory to everything that the page says.

Three passes, none of which holds more than numbers for every input: the verdicts, the scores, and then the few rows
that are shown, with their thumbnails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nemo_curator.report.content import Figure, Page, Pair, Sheet, Step, Unusable
from nemo_curator.report.facts import RunFacts, read_facts
from nemo_curator.report.figures import Gallery
from nemo_curator.report.samples import part_rows
from nemo_curator.report.survey import Survey, survey
from nemo_curator.report.thumbnails import Thumbnailer
from nemo_curator.report.verdicts import Positions, Verdicts, evenly
from nemo_curator.report.words import duplicate_words, shown, shown_id
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import Locations

_KEPT, _RULE, _PAIRS, _UNUSABLE = 24, 12, 12, 100
_ALL_RULES = 180  # thumbnails of all rules together; many rules get fewer each


def gather(run: RunDirectory) -> Page:
    """Read a decided run.

    Raises:
        OSError: A file of the run cannot be read.
        ValueError: `run.json` is not JSON.
    """
    facts = read_facts(run)
    verdicts = Verdicts(run)
    partitions = Locations(run)
    found = survey(run, partitions.ids, verdicts.total)
    choice = _choose(verdicts, found, _rule_names(facts, verdicts))
    decided = verdicts.rows(choice.pictures)
    places = verdicts.places([row["duplicate_of"] for row in decided.values() if row["duplicate_of"]])
    wanted = [*choice.pictures, *places.values(), *choice.unusable]
    rows = part_rows(run, partitions, found.starts, wanted, found.scores)
    with Thumbnailer(facts.image_seconds) as thumbnailer:
        gallery = Gallery(rows, decided, facts.rules, found.scores, thumbnailer, facts.known)
        rejected = tuple(_sheet(gallery, verdicts, facts, rule, chosen) for rule, chosen in choice.rules.items())
        pairs = tuple(_pair(gallery, position, decided[position], places) for position in choice.duplicates)
        kept_figures = gallery.figures(choice.kept)
    kept = Sheet("kept", "Kept", "", verdicts.count("keep"), kept_figures)
    return Page(
        name=facts.name,
        started=facts.started,
        seconds=facts.seconds,
        steps=_funnel(verdicts, found, facts, rejected),
        warnings=facts.warnings,
        kept=kept,
        rejected=rejected,
        duplicates=verdicts.count("duplicate"),
        pairs=pairs,
        quarantined=verdicts.count("quarantine"),
        unusable=tuple(_unusable(rows[position]) for position in choice.unusable),
        spreads=tuple(found.spreads),
        stride=found.stride,
        recipe=facts.recipe,
        facts=facts.versions,
        ignored=facts.ignored,
        ignored_count=facts.ignored_count,
        models=facts.models,
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    """Positions of the inputs that are shown.

    Attributes:
        kept: Of kept images.
        rules: Rule to positions of images that it rejected; rules that rejected nothing are absent.
        duplicates: Of duplicates.
        unusable: Of quarantined inputs.
    """

    kept: list[int]
    rules: dict[str, list[int]]
    duplicates: list[int]
    unusable: list[int]

    @property
    def pictures(self) -> list[int]:
        """All that get a thumbnail of their own."""
        return [*self.kept, *(one for chosen in self.rules.values() for one in chosen), *self.duplicates]


def _choose(verdicts: Verdicts, found: Survey, rules: Sequence[str]) -> _Choice:
    positions = {rule: verdicts.positions("reject", rule) for rule in rules}
    hit = {rule: places for rule, places in positions.items() if len(places)}
    each = max(1, min(_RULE, _ALL_RULES // max(1, len(hit))))
    return _Choice(
        kept=evenly(verdicts.positions("keep"), _KEPT),
        rules={rule: evenly(places, each) for rule, places in hit.items()},
        duplicates=_spread_over(
            (verdicts.positions("duplicate", rule) for rule in verdicts.rules("duplicate")), _PAIRS
        ),
        unusable=_spread_over(found.unusable.values(), _UNUSABLE),
    )


def _spread_over(groups: Iterable[Positions], most: int) -> list[int]:
    """Some of each group, at most `most` together, but one of each at least."""
    groups = list(groups)
    each = max(1, most // max(1, len(groups)))
    return [position for group in groups for position in evenly(group, each)]


def _rule_names(facts: RunFacts, verdicts: Verdicts) -> list[str]:
    """Lists of known images and rules in recipe order, then those that only the verdicts know."""
    return list(dict.fromkeys([*facts.reasons, *verdicts.rules("reject")]))


def _funnel(verdicts: Verdicts, found: Survey, facts: RunFacts, sheets: Sequence[Sheet]) -> tuple[Step, ...]:
    """Inputs, what each step takes away, and what stays. Each bar stands where the inputs that it takes stood."""
    anchors = {sheet.title: sheet.anchor for sheet in sheets}
    duplicates = verdicts.count("duplicate")
    taken = [("quarantine", code, "", len(places), "quarantined") for code, places in found.unusable.items()]
    for rule in _rule_names(facts, verdicts):
        text = shown(facts.reasons.get(rule, ""), 300)
        taken.append(
            ("reject", shown(rule, 80), text, verdicts.count("reject", rule), anchors.get(shown(rule, 80), ""))
        )
    detail = ", ".join(f"{verdicts.count('duplicate', rule):,} {rule}" for rule in verdicts.rules("duplicate"))
    taken.append(("duplicate", "duplicates", shown(detail, 300), duplicates, "duplicates" if duplicates else ""))
    total = max(1, verdicts.total)
    steps = [Step("inputs", "inputs", "", verdicts.total, verdicts.total / total, 0.0)]
    left = verdicts.total
    for kind, name, detail, count, anchor in taken:
        left -= count
        steps.append(Step(kind, name, detail, count, count / total, max(0, left) / total, anchor))
    kept = verdicts.count("keep")
    return (*steps, Step("keep", "kept", "", kept, kept / total, 0.0, "kept" if kept else ""))


def _sheet(gallery: Gallery, verdicts: Verdicts, facts: RunFacts, rule: str, chosen: Sequence[int]) -> Sheet:
    number = _rule_names(facts, verdicts).index(rule) + 1  # names may hold anything, numbers make good anchors
    detail = shown(facts.reasons.get(rule, ""), 300)
    return Sheet(f"rule-{number}", shown(rule, 80), detail, verdicts.count("reject", rule), gallery.figures(chosen))


def _pair(gallery: Gallery, position: int, decided: dict[str, Any], places: dict[str, int]) -> Pair:
    kept_id = decided["duplicate_of"] or ""
    kept: Figure | None = gallery.figure(places[kept_id]) if kept_id in places else None
    return Pair(gallery.figure(position), kept, shown_id(kept_id), duplicate_words(decided["rule"] or ""))


def _unusable(row: dict[str, Any]) -> Unusable:
    return Unusable(shown_id(row["image_id"]), shown(row["error"] or "", 60), shown(row["error_detail"] or "", 300))
