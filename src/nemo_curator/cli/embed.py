"""`imagecurator embed`: embeddings alone."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nemo_curator.cli import options
from nemo_curator.cli.amounts import amount, counted, shown

if TYPE_CHECKING:
    from nemo_curator.pipeline.embed import Embedded


class Form(StrEnum):
    """Formats of files with embeddings."""

    parquet = "parquet"
    npy = "npy"


class FloatType(StrEnum):
    """Types of an embedding's numbers."""

    float16 = "float16"
    float32 = "float32"


def embed(
    inputs: options.Inputs,
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="Folder for the embeddings.")],
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Model; `imagecurator models` lists them.")
    ] = None,
    model_dir: options.ModelDir = None,
    forms: Annotated[
        list[Form] | None,
        typer.Option("--format", help="Parquet (the default), or a matrix for NumPy; both where it is given twice."),
    ] = None,
    dtype: Annotated[FloatType, typer.Option("--dtype", help="Type of the numbers.")] = FloatType.float16,
    rows_per_file: Annotated[
        int, typer.Option("--rows-per-file", min=1, metavar="N", help="Images that a file holds at most.")
    ] = 1_000_000,
    settings: options.Settings = None,
    workers: options.Workers = None,
    memory: options.Memory = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the result in the place of an earlier one of this command.")
    ] = False,
    rescore: options.Rescore = False,
    dry_run: options.DryRun = False,
    log_json: options.LogJson = None,
    metrics: options.Metrics = None,
    as_json: options.AsJson = False,
) -> None:
    """Write the embeddings of images, for other programs; what is there already is not computed again."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.cli.display import Words, display
    from nemo_curator.cli.observing import Observing, observed
    from nemo_curator.cli.plan import print_score_plan, score_plan_facts
    from nemo_curator.cli.recipe_options import embedding_recipe
    from nemo_curator.pipeline.embed import embed as embedded
    from nemo_curator.pipeline.embed import preview_embed
    from nemo_curator.planning.means import Asked
    from nemo_curator.runs.embedding_names import FORMS, EmbeddingSettings

    recipe = embedding_recipe(model, model_dir, settings)
    chosen = {one.value for one in forms or [Form.parquet]}
    how = EmbeddingSettings(tuple(one for one in FORMS if one in chosen), dtype.value, rows_per_file)
    if dry_run:
        asked = Asked(workers, memory)
        plan = preview_embed(inputs, output, recipe, how, asked=asked, replace=replace, rescore=rescore)
        if as_json:
            sys.stdout.write(json.dumps(score_plan_facts(plan), indent=2) + "\n")
        else:
            print_score_plan(plan)
        return
    words = Words(compute="embed", write="write", written="embeddings", decides=False)
    observing = Observing(log_json, metrics)
    shown_by = display(quiet=as_json or observing.takes_stderr, words=words)
    with observed("embed", observing, shown_by, {"inputs": inputs, "output": output}) as watcher:
        done = embedded(
            inputs,
            output,
            recipe,
            how,
            workers=workers,
            memory=memory,
            replace=replace,
            rescore=rescore,
            watcher=watcher,
        )
    if as_json:
        sys.stdout.write(json.dumps(_facts(done), indent=2) + "\n")
    else:
        _print(done)


def _facts(done: Embedded) -> dict[str, Any]:
    return {
        "output": done.output,
        "run": done.run.root,
        "model": done.model,
        "dimension": done.dimension,
        "images": done.images,
        "unreadable": done.unreadable,
        "files": [{"name": one.name, "rows": one.rows, "bytes": one.bytes} for one in done.files],
        "written": done.written,
        "partitions": len(done.plan.partitions),
        "partitions_computed": len(done.plan.work.partitions),
        "ignored": [path for path, _ in done.plan.ignored],
        "notes": list(done.plan.notes),
    }


def _print(done: Embedded) -> None:
    just_now = f"{len(done.plan.work.partitions):,} of {counted(len(done.plan.partitions), 'partition')} just now"
    lines = [
        f"embedded:   {counted(done.images, 'image')} by {done.model}, {done.dimension:,} numbers each; {just_now}"
    ]
    if done.unreadable:
        codes = ", ".join(f"{code} {count:,}" for code, count in done.unreadable.items())
        lines.append(f"unreadable: {counted(sum(done.unreadable.values()), 'input')} ({codes}), see unreadable.parquet")
    if done.plan.ignored:
        paths = ", ".join(path for path, _ in done.plan.ignored[:3])
        lines.append(f"ignored:    {paths}{' …' if len(done.plan.ignored) > 3 else ''}")
    size = amount(sum(one.bytes for one in done.files))
    there = "" if done.written else ", all of which were there already"
    names = ", ".join(one.name for one in done.files[:3])
    lines.append(f"files:      {names}{' …' if len(done.files) > 3 else ''} ({size}{there})")
    lines += [f"output:     {done.output}", f"run:        {done.run.root}"]
    sys.stdout.write("".join(f"{shown(line)}\n" for line in lines))
