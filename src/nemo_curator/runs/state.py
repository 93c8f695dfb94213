"""`run.json`: recipe, recorded plan, inputs, exports and times; what may differ between two runs of the same work."""

from __future__ import annotations

import datetime as dt
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from typing import Any, Self, get_args

import pyarrow as pa

from nemo_curator import __version__, storage
from nemo_curator.errors import MissingRunError
from nemo_curator.runs.effort import Effort
from nemo_curator.runs.fingerprints import LIBRARIES, RECORDS, fingerprint
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_schema
from nemo_curator.stages.declarations import Column, ColumnType

FORMAT = "imagecurator-run-2"
_TYPES = get_args(ColumnType)
_SCORES, _RECIPE = "scores", "recipe"  # what came after a decision


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """How a column is computed.

    Attributes:
        name: Its name; `records` for the records themselves, `embedding` for the embeddings beside the parts.
        column: What it is, for a score; None for the other two.
        facts: What its values depend on.
    """

    name: str
    column: Column | None
    facts: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """Equal for equal facts."""
        return fingerprint(self.facts)


@dataclass(slots=True)
class RunState:
    """The contents of `run.json`.

    Attributes:
        run: The run directory.
        facts: What is written.
    """

    run: RunDirectory
    facts: dict[str, Any]

    @classmethod
    def new(cls, run: RunDirectory) -> Self:
        """The state of a run that begins now."""
        return cls(run, {"run": FORMAT, "columns": {}, "exports": [], "started": now()})

    @classmethod
    def read(cls, run: RunDirectory) -> Self | None:
        """The state as it was written; None where there is no such file, or none of ours."""
        facts = read_facts(run)
        return None if facts is None else cls(run, facts)

    @classmethod
    def require(cls, run: RunDirectory) -> Self:
        """The state of a run that must be there.

        Raises:
            MissingRunError: There is no run.
        """
        state = cls.read(run)
        if state is None:
            raise MissingRunError(
                "there is no run directory",
                where=run.root,
                act="name one that `imagecurator score` or `run` made, or the OUTPUT of `run`",
            )
        return state

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe in force, as plain data."""
        return dict(self.facts.get("recipe") or {})

    @property
    def fingerprints(self) -> dict[str, str]:
        """Name to fingerprint of every column of the recorded plan."""
        return {name: str(one["fingerprint"]) for name, one in self.facts["columns"].items()}

    @property
    def fingerprint(self) -> str:
        """One for all columns."""
        return fingerprint(self.fingerprints)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The scores of the recorded plan, in the order of the parts."""
        declared = [one.get("declared") for one in self.facts["columns"].values()]
        return tuple(_column(one) for one in declared if one)

    @property
    def schema(self) -> pa.Schema:
        """The columns that parts may have."""
        return part_schema(self.columns)

    @property
    def libraries(self) -> dict[str, str]:
        """Library to version, of all that scored, decided and stored."""
        here = {name: version(name) for name in ("duckdb", "pyarrow")}
        return dict(
            sorted(
                {
                    **here,
                    **dict(chain.from_iterable(_libraries(one["facts"]) for one in self.facts["columns"].values())),
                }.items()
            )
        )

    def column_facts(self, name: str) -> dict[str, Any] | None:
        """What a column of the recorded plan depends on; None where the plan has no such column."""
        found = self.facts["columns"].get(name)
        return None if found is None else dict(found["facts"])

    def plan(self, planned: Sequence[PlannedColumn]) -> None:
        """Record how columns are computed; those that are not named stay, behind the others."""
        before = self.facts["columns"]
        recorded = {
            one.name: {
                "fingerprint": one.fingerprint,
                "declared": _declared(one.column) if one.column else None,
                "facts": dict(one.facts),
            }
            for one in planned
        }
        self.facts["columns"] = recorded | {name: one for name, one in before.items() if name not in recorded}

    def set_recipe(self, recipe: Mapping[str, Any]) -> None:
        """Another recipe is in force: whatever it comes to, what was said of the end before holds no more."""
        self.facts["recipe"] = dict(recipe)
        self.facts.pop("finished", None)

    def undecided(self) -> None:
        """Whatever verdicts are there, they are not those of the recipe and the records that count from now on."""
        self.facts.pop("funnel", None)
        self.facts.pop("warnings", None)
        self.facts.pop("outdated", None)
        self.facts.pop("decided", None)

    def outdated(self, *, scored: bool) -> None:
        """The same, and what a decision that was there is older than: scores, or else a recipe."""
        scored = scored or self.facts.get("outdated") == _SCORES
        self.undecided()
        if "decision" in self.facts:
            self.facts["outdated"] = _SCORES if scored else _RECIPE

    @property
    def was_decided(self) -> bool:
        """Whether there was a decision that stands no longer."""
        return "funnel" not in self.facts and "decision" in self.facts

    @property
    def why_undecided(self) -> str:
        """Why the run has no verdicts, for a run that has none; a clause."""
        if not self.was_decided:
            return "this run is not decided yet"
        if self.facts.get("outdated") == _SCORES:
            return "scores were added since the last decision"
        if self.facts.get("outdated") == _RECIPE:
            return "the recipe was changed since the last decision"
        return "the last decision stands no longer"  # deciding again was interrupted

    @property
    def warnings(self) -> list[dict[str, str]]:
        """What the last decision found odd about its rules: `rule`, `kind` and one sentence `text` each."""
        return list(self.facts.get("warnings") or ())

    def decided(
        self,
        funnel: Mapping[str, Any],
        decision: str,
        lists: Mapping[str, Any] | None = None,
        warnings: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """What the last decision came to, a name for its verdicts, which lists of ids it heeded, and what is odd."""
        self.facts |= {"funnel": dict(funnel), "decision": decision, "lists": dict(lists or {})}
        self.facts |= {"warnings": [dict(one) for one in warnings], "decided": now()}
        self.facts.pop("outdated", None)

    def exporting(self, output: str, shapes: Sequence[Mapping[str, Any]] = ()) -> None:
        """Files of the run may stand in this place from now on.

        Args:
            output: The place.
            shapes: The names that these files may have, beside those of an earlier export that was not finished.
        """
        same = [one for one in self.facts["exports"] if one["output"] == output]
        before = [shape for one in same if "export" not in one for shape in one.get("shapes") or ()]
        named = [dict(shape) for shape in shapes]
        named += [shape for shape in before if shape not in named]
        self.facts["exports"] = [one for one in self.facts["exports"] if one["output"] != output]
        self.facts["exports"].append({"output": output, "started": now(), "shapes": named})

    def has_exported(self, output: str, export: str) -> bool:
        """Whether it is on record that this data set is complete there."""
        return any(one["output"] == output and one.get("export") == export for one in self.facts["exports"])

    def exported(self, output: str, export: str) -> None:
        """A data set is complete there."""
        if all(one["output"] != output for one in self.facts["exports"]):
            self.exporting(output)
        for one in self.facts["exports"]:
            if one["output"] == output:
                one |= {"export": export, "decision": self.facts.get("decision"), "finished": now()}
                one.pop("shapes", None)  # the manifest says from now on what is there

    @property
    def embeds(self) -> dict[str, Any] | None:
        """For a run of `imagecurator embed`, what its output was written of, as far as it was; None for any other."""
        found = self.facts.get("embeds")
        return None if found is None else dict(found)

    def embedding(self) -> None:
        """This run is one of `imagecurator embed`: files of that command may stand in its output from now on."""
        self.facts["embeds"] = {}

    def embedded(self, written_of: Mapping[str, Any]) -> None:
        """The output is complete, and this is what it was written of."""
        self.facts["embeds"] = dict(written_of)

    def stages_took(self, effort: Effort) -> None:
        """Note what stages took, and for how many inputs; where nothing was scored, what is noted stays."""
        if effort.seconds:
            self.facts["stage_seconds"] = {stage: round(taken, 3) for stage, taken in effort.seconds.items()}
            self.facts["stage_inputs"] = dict(effort.inputs)

    def finish(self, seconds: Mapping[str, float], effort: Effort) -> None:
        """Note that the run is complete, what each phase took, and how much was scored in that time."""
        rounded = {phase: round(taken, 3) for phase, taken in seconds.items()}
        scored = {"inputs": effort.scored, "bytes": effort.bytes}
        self.facts |= {"finished": now(), "seconds": rounded, "scored": scored}

    def write(self) -> None:
        """Write the file.

        Raises:
            StorageError: It cannot be written.
        """
        with storage.write_atomic(self.run.run_json) as file:
            file.write(self._text())

    def create(self) -> bool:
        """Write the file if there is none; whether it was this one that did.

        Raises:
            StorageError: It cannot be written.
        """
        return storage.create(self.run.run_json, self._text())

    def _text(self) -> bytes:
        machine = f"{platform.system()} {platform.machine()}"
        self.facts |= {"imagecurator": __version__, "python": platform.python_version(), "machine": machine}
        self.facts |= {"fingerprint": self.fingerprint, "versions": self.libraries}
        return (json.dumps(self.facts, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def read_facts(run: RunDirectory) -> dict[str, Any] | None:
    """What `run.json` says; None where there is no such file, or none of ours."""
    try:
        with storage.open(run.run_json) as file:
            facts = json.loads(file.read())
        ours = facts["run"] == FORMAT and _well_formed(facts)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None  # of a storage elsewhere that does not answer we would hear in another way
    if not ours:
        return None
    if not _is_funnel(facts.get("funnel")):
        facts.pop("funnel", None)  # deciding again gives it back; what was scored need not suffer
    return dict(facts)


def _well_formed(facts: Mapping[str, Any]) -> bool:
    """Whether everything that is read from the file later is what it must be: a file of ours may have been edited."""
    columns, exports = facts["columns"], facts["exports"]
    return (
        isinstance(columns, dict)
        and RECORDS in columns
        and all(map(_is_planned, columns.values()))
        and isinstance(exports, list)
        and all(isinstance(one, dict) and isinstance(one["output"], str) for one in exports)
        and isinstance(facts.get("recipe", {}), dict)
        and isinstance(facts.get("embeds", {}), dict)
        and all(isinstance(facts.get(name, []), list) for name in ("notes", "ignored", "warnings"))
        and all(map(_is_warning, facts.get("warnings", ())))
    )


def _is_warning(one: Any) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(name), str) for name in ("rule", "kind", "text"))


def _is_planned(one: Any) -> bool:
    return (
        isinstance(one["fingerprint"], str)
        and isinstance(one["facts"], dict)
        and (not one.get("declared") or _column(one["declared"]).type in _TYPES)
    )


def _is_funnel(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and {"inputs", "kept"} <= one.keys()
        and all(map(_is_figure, one.values()))
        and all(isinstance(one[name], int) for name in ("inputs", "kept"))
    )


def _is_figure(one: Any) -> bool:
    return isinstance(one, int) or (isinstance(one, dict) and all(isinstance(count, int) for count in one.values()))


def _declared(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "unit": column.unit,
        "range": list(column.range) if column.range else None,
        "meaning": column.meaning,
    }


def _column(declared: Mapping[str, Any]) -> Column:
    limits = declared.get("range")
    return Column(
        str(declared["name"]),
        declared["type"],
        str(declared.get("unit") or ""),
        (float(limits[0]), float(limits[1])) if limits else None,
        str(declared.get("meaning") or ""),
    )


def _libraries(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if name == "parameters" or not isinstance(value, Mapping):  # a parameter may have any name
            continue
        if name == LIBRARIES:
            yield from ((str(library), str(number)) for library, number in value.items())
        else:
            yield from _libraries(value)


def now() -> str:
    """This moment, for people; nothing is ever decided by it."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
