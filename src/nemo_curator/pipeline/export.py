"""Export: the kept samples of a decided run, written as a data set."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import IncompleteRunError, InputError
from nemo_curator.pipeline.decide import stored_recipe
from nemo_curator.pipeline.output import (
    check_places,
    claim_output,
    remove_leftovers,
    standing_shape,
    sweep_run,
)
from nemo_curator.pipeline.places import plain_place, real_place
from nemo_curator.pipeline.policy import export_settings, without_places
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Exporting, Written
from nemo_curator.pipeline.scored import decision_of, scored_partitions, scored_parts
from nemo_curator.pipeline.shape import Shape
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Funnel
from nemo_curator.runs.exporting import (
    DOCUMENTS,
    REMOVING,
    Exported,
    ExportPlan,
    ExportSettings,
    add_documents,
    delivered,
    export,
    exported_before,
    plan_export,
    refuse_documents,
    write_manifest,
)
from nemo_curator.runs.exporting.sources import check_sources, needed_samples
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions
from nemo_curator.runs.state import RunState
from nemo_curator.runs.stored_embeddings import embeddings_fit
from nemo_curator.shards.parquet import read_footer
from nemo_curator.shards.partitioning import Partition


def plan_export_of(
    run: RunDirectory,
    output: str,
    recipe: Recipe | None = None,
    *,
    replace: bool = False,
    skip_missing: bool = False,
) -> ExportPlan:
    """What `export_run` with these arguments would write, after all checks that it makes before; nothing is written.

    Raises:
        CuratorError: As `export_run`.
    """
    state = decided_state(run)
    partitions, settings = read_partitions(run), export_settings(recipe or stored_recipe(state))
    check_places(output, run, _roots(partitions))
    plan = _planned(run, partitions, settings)
    there, gaps = _standing(output, plan, replace=replace)
    if there is None:
        if (recipe or stored_recipe(state)).export.card:
            refuse_documents(output)
        shape = Shape.of(settings.format, (one.name for one in plan.shards))
        claim_output(output, run, shape, replace=replace, gaps=gaps, write=False)
        if not skip_missing:
            check_sources(run, partitions, plan, needed_samples(plan, plan.shards))
    return plan


def export_run(
    run: RunDirectory,
    output: str,
    recipe: Recipe | None = None,
    *,
    replace: bool = False,
    skip_missing: bool = False,
    watcher: Watcher | None = None,
    workers: int | None = None,
    memory: int | None = None,
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
        workers: Processes that make images anew, where the recipe says so; one a core by default.
        memory: Bytes that all processes may take together; a share of the machine's by default.

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
    _refuse_damaged(run)
    check_places(output, run, _roots(partitions))
    settings = export_settings(recipe)
    plan = _planned(run, partitions, settings)
    if state.facts.get("decision") != decision_of(run) or plan.samples != state.facts["funnel"]["kept"]:
        raise IncompleteRunError(
            "these are not the verdicts that the last decision wrote",
            where=run.decisions,
            cause="the file is damaged, or was changed",
            act=f"decide again with `imagecurator decide {run.root}`",
        )
    shape = Shape.of(settings.format, (one.name for one in plan.shards))
    there, gaps = _standing(output, plan, replace=replace)
    if there is None:
        claim_output(output, run, shape, replace=replace, gaps=gaps, write=False)
        if recipe.export.card:
            refuse_documents(output)
    with storage.locked(output):
        there, gaps = _standing(output, plan, replace=replace)  # once more: now nobody else changes it
        if there is not None:
            if not state.has_exported(real_place(output), plan.fingerprint):  # killed before it could note that
                state.exported(real_place(output), plan.fingerprint)
                state.write()
            if recipe.export.card and DOCUMENTS not in (delivered(output) or {}):
                add_documents(output)
            return there
        claim_output(output, run, shape, replace=replace, gaps=gaps, write=False)
        if replace and not skip_missing:  # what stands there stays for as long as it cannot be replaced
            check_sources(run, partitions, plan, needed_samples(plan, plan.shards))
        before = standing_shape(output, run)
        state.exporting(real_place(output), [one.facts for one in (shape, before) if one is not None])
        state.write()  # before anything is removed or written, because it says whose the files are
        claim_output(output, run, shape, replace=replace, gaps=gaps)
        watcher.told(Exporting(plan.samples))

        def written(samples: int) -> None:
            watcher.told(Written(samples))

        exported = export(
            run,
            partitions,
            output,
            settings,
            plan=plan,
            skip_missing=skip_missing,
            progress=written,
            workers=workers,
            memory=memory,
        )
        remove_leftovers(output, run, [file.name for file in (*exported.files, *exported.indexes)])
        write_manifest(
            output,
            recipe=without_places(recipe).model_dump(mode="json"),
            fingerprint=state.fingerprint,
            versions=state.libraries,
            funnel=Funnel.of(state.facts["funnel"]),
            lists=state.facts.get("lists") or {},
            exported=exported,
            rendition=settings.rendition,
        )
        if recipe.export.card:
            add_documents(output)
        state.exported(real_place(output), plan.fingerprint)
        state.write()
    return exported


def _roots(partitions: Sequence[Partition]) -> list[str]:
    return sorted({entry.root or entry.location for one in partitions for entry in one.entries})


def _standing(output: str, plan: ExportPlan, *, replace: bool) -> tuple[Exported | None, bool]:
    """(what is there and whole, whether it is there with samples missing whose source may be back)."""
    there = None if replace else _there_already(output, plan)
    if there is not None and there.missing:
        return None, not there.removed  # what was taken out would come back with the others
    return there, False


def export_locked(
    run: RunDirectory,
    output: str,
    recipe: Recipe | None = None,
    *,
    replace: bool = False,
    skip_missing: bool = False,
    watcher: Watcher | None = None,
    workers: int | None = None,
    memory: int | None = None,
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
            return export_run(
                run,
                output,
                recipe,
                replace=replace,
                skip_missing=skip_missing,
                watcher=watcher,
                workers=workers,
                memory=memory,
            )
    finally:
        watcher.close()


def decided_state(run: RunDirectory) -> RunState:
    """The state of a run that must be decided.

    Raises:
        MissingRunError: There is no run.
        IncompleteRunError: It is not decided, or not even scored to its end.
    """
    state = RunState.require(run)
    if "funnel" not in state.facts or not _whole(run.decisions):
        scored_partitions(run, state)  # who decides first would hear of that next
        raise IncompleteRunError(state.why_undecided, where=run.root, act=f"run `imagecurator decide {run.root}`")
    return state


def _planned(run: RunDirectory, partitions: Sequence[Partition], settings: ExportSettings) -> ExportPlan:
    try:
        return plan_export(run, partitions, settings)
    except (OSError, ValueError, LookupError, pa.ArrowException) as error:
        raise InputError(
            "the decisions of this run, or its parts, are damaged",
            where=run.root,
            cause=" ".join(str(error).split()),
            act=f"decide again with `imagecurator decide {run.root}`, which names a part that is damaged",
        ) from None


def _whole(url: str) -> bool:
    """Whether a Parquet is there, as far as its end can tell."""
    try:
        read_footer(url)
    except (OSError, pa.ArrowException):
        return False
    return True


def _refuse_damaged(run: RunDirectory) -> None:
    """Refuse a run without all its parts, or with embeddings that are not theirs, before anything is written."""
    embedded = [(one, facts) for one, facts in scored_parts(run) if EMBEDDING in facts.fingerprints]
    fit = storage.at_once(lambda one: embeddings_fit(run, *one), embedded, run.root)
    for (one, _), fits in zip(embedded, fit, strict=True):
        if not fits:
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
