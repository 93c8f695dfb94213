"""Export: the kept samples of a decided run, written as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import IncompleteRunError, InputError
from nemo_curator.pipeline.decide import policy_of, scored_partitions, stored_recipe
from nemo_curator.pipeline.output import (
    check_places,
    claim_output,
    plain_place,
    real_place,
    remove_leftovers,
    sweep_run,
)
from nemo_curator.pipeline.policy import export_settings, without_places
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Funnel, Policy
from nemo_curator.runs.exporting import (
    REMOVING,
    Exported,
    ExportPlan,
    ExportSettings,
    delivered,
    export,
    exported_before,
    plan_export,
    write_manifest,
)
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions
from nemo_curator.runs.parts import embeddings_fit, part_facts
from nemo_curator.runs.state import RunState
from nemo_curator.shards.partitioning import Partition


def plan_export_of(run: RunDirectory, recipe: Recipe | None = None) -> ExportPlan:
    """What an export would write; nothing is written.

    Raises:
        MissingRunError: There is no run.
        IncompleteRunError: It is not decided.
    """
    state = decided_state(run)
    return _planned(run, read_partitions(run), export_settings(recipe or stored_recipe(state)))


def export_run(
    run: RunDirectory,
    output: str,
    recipe: Recipe | None = None,
    *,
    replace: bool = False,
    skip_missing: bool = False,
    watcher: Watcher | None = None,
) -> Exported:
    """Write the kept samples of a run.

    A data set of the same plan that is there already is left as it is; an interrupted export is continued.

    Args:
        run: The run, decided.
        output: Folder or URL of the data set.
        recipe: Whose `export` and `shuffle` count; the one in force by default.
        replace: Whether an earlier data set in `output` may be replaced.
        skip_missing: Whether samples whose source is gone or changed are left out, instead of ending the export.
        watcher: Told of the progress.

    Raises:
        MissingRunError: There is no run.
        IncompleteRunError: It is not decided, or parts or embeddings of it are damaged.
        InputError: A source is gone, or its bytes are not the ones that were scored.
        OutputError: The output holds something else, or cannot be written.
    """
    state = decided_state(run)
    recipe = stored_recipe(state) if recipe is None else recipe
    output = plain_place(output)
    watcher = watcher or Watcher()
    partitions = read_partitions(run)
    _refuse_damaged(run, scored_partitions(run))
    check_places(output, run, sorted({entry.root or entry.location for one in partitions for entry in one.entries}))
    settings = export_settings(recipe)
    plan = _planned(run, partitions, settings)
    kept = state.facts["funnel"]["kept"]
    if plan.samples != kept:
        raise IncompleteRunError(
            f"the decisions keep {plan.samples:,} samples, and kept {kept:,} when they were made",
            where=run.decisions,
            cause="the file is damaged",
            act="decide again with `imagecurator decide RUN`",
        )
    there = None if replace else _there_already(output, plan)
    if there is not None and not there.missing:
        if not state.has_exported(real_place(output), plan.fingerprint):  # killed before it could note that
            state.exported(real_place(output), plan.fingerprint)
            state.write()
        return there
    gaps = there is not None and not there.removed  # samples whose source was gone then, and may be back
    claim_output(output, run, replace=replace, gaps=gaps, write=False)
    with storage.locked(output):
        claim_output(output, run, replace=replace, gaps=gaps)
        state.exporting(real_place(output))
        state.write()
        watcher.exporting(plan.samples)
        exported = export(run, partitions, output, settings, skip_missing=skip_missing, progress=watcher.exported)
        remove_leftovers(output, [file.name for file in exported.files])
        write_manifest(
            output,
            recipe=without_places(recipe).model_dump(mode="json"),
            fingerprint=state.fingerprint,
            versions=state.libraries,
            funnel=Funnel.of(state.facts["funnel"]),
            lists=_lists(policy_of(state, recipe)),
            exported=exported,
        )
        state.exported(real_place(output), plan.fingerprint)
        state.write()
    return exported


def export_locked(
    run: RunDirectory,
    output: str,
    recipe: Recipe | None = None,
    *,
    replace: bool = False,
    skip_missing: bool = False,
    watcher: Watcher | None = None,
) -> Exported:
    """`export_run`, with nobody else at work in the run directory.

    Raises:
        LockedError: Somebody is.
        CuratorError: As `export_run`.
    """
    RunState.require(run)
    watcher = watcher or Watcher()
    try:
        with storage.locked(run.root):
            sweep_run(run)
            return export_run(run, output, recipe, replace=replace, skip_missing=skip_missing, watcher=watcher)
    finally:
        watcher.close()


def decided_state(run: RunDirectory) -> RunState:
    """The state of a run that must be decided.

    Raises:
        MissingRunError: There is no run.
        IncompleteRunError: It is not decided.
    """
    state = RunState.require(run)
    if "funnel" not in state.facts or not _whole(run.decisions):
        raise IncompleteRunError(
            "this run is not decided yet", where=run.root, act="run `imagecurator decide RUN` first"
        )
    return state


def _planned(run: RunDirectory, partitions: Sequence[Partition], settings: ExportSettings) -> ExportPlan:
    try:
        return plan_export(run, partitions, settings)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(
            "the decisions of this run, or its parts, are damaged",
            where=run.root,
            cause=" ".join(str(error).split()),
            act="decide again with `imagecurator decide RUN`, which names a part that is damaged",
        ) from None


def _whole(url: str) -> bool:
    """Whether a Parquet is there, as far as its end can tell."""
    try:
        with storage.open(url) as file:
            pq.read_metadata(file)
    except (OSError, pa.ArrowException):
        return False
    return True


def _refuse_damaged(run: RunDirectory, partition_ids: Sequence[str]) -> None:
    """Refuse embeddings that are not those of the parts, before anything is written."""
    for one in partition_ids:
        facts = part_facts(run, one)
        if facts is not None and EMBEDDING in facts.fingerprints and not embeddings_fit(run, one, facts):
            raise IncompleteRunError(
                "the embeddings of a partition are damaged or missing",
                where=run.embeddings(one),
                act="compute them again with `imagecurator score INPUT RUN`, or `run`",
            )


def _there_already(output: str, plan: ExportPlan) -> Exported | None:
    """What stands in the output, if it is a data set of this very plan.

    What was taken out of it since is not missing: it stays out until the data set is replaced.
    """
    manifest = delivered(output)
    if manifest is None or manifest.get("export") != plan.fingerprint or REMOVING in manifest:
        return None
    try:
        return exported_before(manifest)
    except (LookupError, TypeError, ValueError, AttributeError):  # somebody changed it
        return None


def _lists(policy: Policy) -> dict[str, dict[str, Any]]:
    found = {"allow": policy.allow, "deny": policy.deny}
    return {name: {"name": one.name, "sha256": one.sha256, "ids": len(one.ids)} for name, one in found.items() if one}
