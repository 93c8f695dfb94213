"""What `run.json` says, as the page shows it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from nemo_curator import storage
from nemo_curator.planning.computing import ComputedModel, computed_models
from nemo_curator.report.content import Computed
from nemo_curator.report.words import printable, shown, shown_id
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.stages.image.io.rows import IDENTITY

_MOST_IGNORED = 50
_MOST_RECIPE = 50_000  # characters


@dataclass(frozen=True, slots=True)
class RunFacts:
    """The contents of `run.json`, whatever of it is there.

    Attributes:
        name: What the run is called: the last folders of its data set's path.
        started: When it began, or "".
        decided: When its verdicts were made, or "".
        seconds: Seconds by phase.
        recipe: As YAML text.
        rules: Rule name to expression, in recipe order.
        warnings: What is odd about thresholds, fit to be shown.
        known: Name of a list of known images to what it is, in recipe order.
        protect: Names of protect sets, or "".
        image_seconds: Time that one image may take.
        versions: (name, value) of versions and the like.
        ignored: (path, reason) of the first ignored files.
        ignored_count: How many there are.
        models: How the models were computed, fit to be shown.
        stages: Seconds by stage, over all workers.
        stage_inputs: Stage to the inputs that these seconds were spent on, as far as it is known.
        scored: Inputs that were scored in the time of `seconds`, or None where that is not known.
        scored_bytes: Bytes of their files.
        declared: Column to (unit, meaning), fit to be shown.
        notes: What the last scoring had to say, fit to be shown.
    """

    name: str
    started: str = ""
    decided: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    recipe: str = ""
    rules: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    known: dict[str, str] = field(default_factory=dict)
    protect: str = ""
    image_seconds: float = 10.0
    versions: tuple[tuple[str, str], ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    ignored_count: int = 0
    models: tuple[Computed, ...] = ()
    stages: dict[str, float] = field(default_factory=dict)
    stage_inputs: dict[str, int] = field(default_factory=dict)
    scored: int | None = None
    scored_bytes: int = 0
    declared: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def reasons(self) -> dict[str, str]:
        """List of known images, `protect`, or rule to what it says, in the order in which they are asked."""
        protect = {"protect": f"shows an image of {self.protect}"} if self.protect else {}
        return {**self.known, **protect, **self.rules}


def read_facts(run: RunDirectory) -> RunFacts:
    """Read `run.json`.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not JSON.
    """
    with storage.open(run.run_json) as file:
        facts: dict[str, Any] = json.loads(file.read())
    recipe = facts.get("recipe") or {}
    scored = facts.get("scored") or {}
    ignored = [_ignored(entry) for entry in facts.get("ignored") or []]
    text = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, width=100) if recipe else ""
    return RunFacts(
        name=_name(run),
        started=_moment(facts.get("started", "")),
        decided=_moment(facts.get("decided", "")),
        seconds=dict(facts.get("seconds") or {}),
        recipe=printable(text[:_MOST_RECIPE]),
        rules={str(name): str(rule) for name, rule in (recipe.get("rules") or {}).items()},
        warnings=tuple(shown(str(one.get("text", "")), 1_000) for one in facts.get("warnings") or ()),
        known={str(name): f"hashes in {_base(file)}" for name, file in _lists(recipe).items()},
        protect=", ".join(str(entry).partition("=")[0] for entry in recipe.get("protect") or ()),
        image_seconds=float((recipe.get("limits") or {}).get("seconds", 10.0)),
        versions=_versions(facts),
        ignored=tuple(ignored[:_MOST_IGNORED]),
        ignored_count=len(ignored),
        models=tuple(_computed(one) for one in computed_models(facts)),
        stages={shown(str(name), 80): float(taken) for name, taken in (facts.get("stage_seconds") or {}).items()},
        stage_inputs={shown(str(name), 80): int(count) for name, count in (facts.get("stage_inputs") or {}).items()},
        scored=scored.get("inputs"),
        scored_bytes=int(scored.get("bytes", 0)),
        declared=_declared(facts),
        notes=tuple(shown(str(one), 400) for one in (facts.get("notes") or ())[:_MOST_IGNORED]),
    )


def _moment(stamp: Any) -> str:
    """A time as people read it."""
    return shown(str(stamp), 40).replace("T", " ").replace("+00:00", " UTC")


def _declared(facts: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Column to (unit, meaning): of the header as we know it, of scores as they declare it."""
    known = {name: ("", meaning) for name, (_, meaning) in IDENTITY.items()}
    for name, column in (facts.get("columns") or {}).items():
        if declared := column.get("declared"):
            known[name] = (shown(str(declared.get("unit", "")), 40), shown(str(declared.get("meaning", "")), 300))
    return known


def _name(run: RunDirectory) -> str:
    """The last two folders of the run's path that say something: `run` itself does not."""
    parts = [part for part in run.root.rstrip("/").split("/") if part not in {"", "."}]
    if len(parts) > 1 and parts[-1] == "run":
        parts.pop()
    return shown_id("/".join(parts[-2:]) or "run", 80)


def _lists(recipe: dict[str, Any]) -> dict[str, Any]:
    return dict((recipe.get("known_bad") or {}).get("lists") or {})


def _base(file: Any) -> str:
    return str(file).rstrip("/").rpartition("/")[2]


def _versions(facts: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    own = [
        ("imagecurator", facts.get("imagecurator")),
        ("Python", facts.get("python")),
        ("system", facts.get("machine")),
    ]
    pairs = [*own, *(facts.get("versions") or {}).items(), ("fingerprint", facts.get("fingerprint"))]
    return tuple((str(name), shown(str(value), 80)) for name, value in pairs if value)


def _computed(model: ComputedModel) -> Computed:
    ways = (replace(one, name=shown(one.name, 80), changed=shown(one.changed, 300)) for one in model.ways)
    return Computed(shown(model.sentence, 1_000), tuple(ways))


def _ignored(entry: Any) -> tuple[str, str]:
    """(path, reason) from an entry that is both, or a path alone."""
    if isinstance(entry, str):
        return shown_id(entry), ""
    path, reason = entry
    return shown_id(str(path)), shown(str(reason), 120)
