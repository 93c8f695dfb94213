"""What a run says at its beginning and end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nemo_curator.cli.amounts import amount, counted, shown
from nemo_curator.cli.pair_words import pairs_note
from nemo_curator.pipeline.curate import Summary
from nemo_curator.pipeline.score_notes import left_out
from nemo_curator.planning.recipe import DuplicatesSection, Recipe
from nemo_curator.runs.deciding import Funnel
from nemo_curator.runs.exporting import Exported, ExportPlan

_DEFAULT_WHY = {
    "small": "too small to train on at any usual resolution",
    "nsfw": "Yahoo's open_nsfw calls scores of 0.8 and more NSFW with confidence",
}


_MOST_EMPTY = 3  # rules that reject nothing and are told in full


def announce(recipe: Recipe, whose: str, *, changed: bool = False) -> None:
    """Say what will be rejected, and of the default rules why.

    Args:
        recipe: The recipe.
        whose: What to call it, as the subject of a sentence.
        changed: Whether the command line changed it.
    """
    console = Console(stderr=True, highlight=False)

    def tell(line: str) -> None:
        """A line below the first; a terminal would break it within words, and without its indentation."""
        text = Text(line)
        if console.is_terminal:
            console.print(Padding(text, (0, 0, 0, 2)))
        else:
            console.print(Text("  ") + text, soft_wrap=True)

    with_changes = " with your changes" if changed else ""
    some = recipe.rules or recipe.deny or recipe.known_bad.lists or recipe.protect
    console.print(Text(f"{whose}{with_changes} rejects{', in this order:' if some else ' nothing by rule'}"))
    default = Recipe().rules
    for name, file in recipe.known_bad.lists.items():
        near = f"PDQ within {recipe.known_bad.distance} bits"
        tell(f"{shown(name)}: what has a hash in {shown(file)} ({near})")
    if recipe.protect:
        names = ", ".join(shown(entry) for entry in recipe.protect)
        tell(f"protect: what shows an image of {names} ({_shows(recipe.duplicates)})")
    if recipe.deny:
        tell(f"deny: what {shown(recipe.deny)} lists")
    for name, expression in recipe.rules.items():
        why = f"  ({_DEFAULT_WHY[name]})" if name in _DEFAULT_WHY and default[name] == expression else ""
        tell(f"{name}: {expression}{why}")
    for line in _beyond_rules(recipe):
        tell(line)
    if whose == "The default recipe":
        console.print("Write a recipe of your own with `imagecurator init`.")


def _beyond_rules(recipe: Recipe) -> Iterator[str]:
    if recipe.allow:
        yield f"but by no rule what {shown(recipe.allow)} lists"
    if recipe.duplicates.within:
        yield from _duplicates(recipe.duplicates)
    if recipe.against:
        yield f"then images that repeat one kept by {', '.join(map(shown, recipe.against))}"
    if recipe.sample:
        size = f"{recipe.sample.n:,} images" if recipe.sample.n is not None else f"a share of {recipe.sample.share:g}"
        yield f"then all but a sample of {size}{f' by {recipe.sample.by}' if recipe.sample.by else ''}"
    if recipe.split:
        shares = ", ".join(f"{name} {share:g}" for name, share in recipe.split.shares.items())
        yield f"and divides what is kept{f' by {recipe.split.by}' if recipe.split.by else ''}: {shares}"


def _shows(section: DuplicatesSection) -> str:
    """By what an image is taken to show a protected one."""
    ways = ["equal bytes", *(["equal pixels"] if section.pixels else [])]
    if section.copies:
        ways.append(f"PDQ within {section.copies.distance} bits{', turned too' if section.copies.turned else ''}")
    return ", ".join([*ways, *([f"1 - cosine up to {section.similar.eps:g}"] if section.similar else [])])


def _duplicates(section: DuplicatesSection) -> Iterator[str]:
    if section.bytes:
        yield "then exact copies: of images with equal bytes, one is kept"
    if section.pixels:
        yield "then images whose pixels equal those of a kept one"
    if section.copies:
        turned = ", turned and flipped ones too" if section.copies.turned else ""
        yield f"then edited copies: PDQ within {section.copies.distance} bits of a kept image{turned}"
    if section.similar:
        yield f"then look-alikes: 1 - cosine of the embeddings up to {section.similar.eps:g} from a kept image"


def summary_facts(summary: Summary) -> dict[str, Any]:
    """The summary as plain data, as `--json` prints it."""
    funnel = summary.funnel.figures
    return {
        "output": summary.output,
        "run": summary.run.root,
        "report": summary.run.report,
        "inputs": summary.funnel.inputs,
        "kept": summary.funnel.kept,
        "rejected": sum(summary.funnel.rejected.values()),
        "duplicates": summary.funnel.duplicates,
        "quarantined": sum(summary.funnel.quarantined.values()),
        "funnel": funnel,
        "files": len(summary.exported.files),
        "bytes": summary.exported.bytes,
        "input_bytes": summary.bytes,
        "ignored": summary.ignored,
        "notes": [*left_out(summary.plan.scoring), *summary.plan.notes, *summary.plan.dropped],
        "warnings": [asdict(one) for one in summary.funnel.warnings],
        "pairs": [asdict(one) for one in summary.funnel.pairs],
        "seconds": {phase: round(seconds, 3) for phase, seconds in summary.seconds.items()},
    }


def print_summary(summary: Summary, *, aloud: bool = True) -> None:
    """The funnel as a table, then where everything is; last, if nothing is kept, that and why.

    Args:
        summary: What was done.
        aloud: Whether that last line may go to standard error; else it is a note among the others.
    """
    print_funnel(summary.funnel)
    print_notes(summary.funnel, emptiness=not aloud)
    _print_dropped(summary.plan.dropped)  # once more: what was said of it first is far above
    _print_places(Console(highlight=False), summary)
    if not aloud:
        return
    sys.stdout.flush()  # so that it is the last line where both go to one place
    console = Console(stderr=True, highlight=False)
    for sentence in _why_nothing(summary.funnel):
        console.print(Text(f"warning: {shown(sentence)}", style="yellow"), soft_wrap=True)


def print_funnel(funnel: Funnel) -> None:
    """What became of every input, as a table; of each rule how many it takes in order, and how many it would alone."""
    console = Console(highlight=False)
    table = Table(title="What became of every input", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("")
    table.add_column("images", justify="right")
    table.add_column("share", justify="right")
    table.add_column("alone", justify="right")

    def row(name: str, count: int, style: str = "", alone: int | None = None) -> None:
        share = count / funnel.inputs if funnel.inputs else 0.0
        table.add_row(
            Text(shown(name)), f"{count:,}", f"{share:.1%}", "" if alone is None else f"{alone:,}", style=style
        )

    row("inputs", funnel.inputs, "bold")
    for code, count in funnel.quarantined.items():
        row(f"  quarantined: {code}", count)
    for rule, count in funnel.rejected.items():
        row(f"  rejected: {rule}", count, alone=funnel.alone.get(rule))
    for rule, count in (funnel.alike or {"same_bytes": funnel.duplicates}).items():
        if count or rule != "same_bytes":
            row(f"  duplicates: {rule}", count)
    row("kept", funnel.kept, "bold green")
    for name, count in funnel.splits.items():
        row(f"  {name}", count)
    console.print()
    console.print(table)


def print_notes(funnel: Funnel, *, emptiness: bool = True) -> None:
    """The books, and what a reader of the table should know.

    Args:
        funnel: What became of every input.
        emptiness: Whether to say why nothing is kept, if so.
    """
    console = Console(highlight=False)
    rejected, quarantined = sum(funnel.rejected.values()), sum(funnel.quarantined.values())
    console.print(
        f"\n{counted(funnel.inputs, 'input')} = {funnel.kept:,} kept + {rejected:,} rejected + "
        f"{counted(funnel.duplicates, 'duplicate')} + {quarantined:,} quarantined",
        soft_wrap=True,
    )
    notes = [
        f"rule {rule} has no value (NULL) for {counted(count, 'image')}, which it does not reject"
        for rule, count in funnel.undecided.items()
    ]
    # a search that looks at all pairs found what there is: there is nothing to know about it
    notes += [pairs_note(one) for one in funnel.pairs if not one.exact]
    notes += [
        f"{counted(count, 'image')} of the protect set {name} cannot be read, and protect{'s' if count == 1 else ''} "
        "nothing"
        for name, count in funnel.unreadable.items()
    ]
    notes += [
        f"{count:,} of the {counted(funnel.protected.get(name, 0), 'image')} of the protect set {name} "
        f"{'is' if count == 1 else 'are'} shown by {counted(funnel.leaks.get(name, 0), 'input')}; "
        "`imagecurator leaks` lists them"
        for name, count in funnel.shown.items()
        if count
    ]
    notes += [
        f"{counted(count, 'duplicate')} of images that the earlier run {name} kept"
        for name, count in funnel.earlier.items()
    ]
    if funnel.allowed:
        notes.append(f"the allow list names {counted(funnel.allowed, 'image')}, which no rule was asked about")
    notes += [
        f"the {name} list names {counted(count, 'id')} that this run does not have"
        for name, count in funnel.unlisted.items()
    ]
    notes += [f"the split {name} is empty" for name, count in funnel.splits.items() if funnel.kept and not count]
    if emptiness:
        notes.extend(_why_nothing(funnel))
    for note in notes:
        console.print(Text(f"note: {shown(note)}"), soft_wrap=True)
    print_warnings([asdict(one) for one in funnel.warnings])


def _why_nothing(funnel: Funnel) -> Iterator[str]:
    """Why nothing is kept, where nothing is."""
    if funnel.kept or not funnel.inputs:
        return
    quarantined = sum(funnel.quarantined.values())
    if quarantined == funnel.inputs:
        codes = ", ".join(f"{code} {count:,}" for code, count in funnel.quarantined.items())
        what = "the one input" if quarantined == 1 else f"none of the {quarantined:,} inputs"
        could = "could not be read" if quarantined == 1 else "could be read"
        yield f"nothing is kept: {what} {could} ({codes}); the report says why, and what may be done"
    elif any(funnel.rejected.values()):
        yield "nothing is kept; the column `alone` shows which rule takes how much"
    else:
        yield "nothing is kept: what could be read repeats images that an earlier run kept, or a protect set has"


def _print_dropped(sentences: Sequence[str]) -> None:
    console = Console(highlight=False)
    for sentence in sentences:
        console.print(Text(f"warning: {shown(sentence)}", style="yellow"), soft_wrap=True)


def print_warnings(warnings: Sequence[Mapping[str, Any]]) -> None:
    """What is odd about thresholds, a line each; of many rules that reject nothing, most by name alone.

    Args:
        warnings: As `RuleWarning`, as plain data.
    """
    empty = [one for one in warnings if one["kind"] == "nothing"]
    folded = empty[_MOST_EMPTY:] if len(empty) > _MOST_EMPTY + 1 else []
    lines = [str(one["text"]) for one in warnings if one not in folded]
    if folded:
        names = ", ".join(str(one["rule"]) for one in folded)
        lines.append(f"{len(folded)} more rules reject nothing: {names}; the report has what they look at")
    console = Console(highlight=False)
    for line in lines:
        console.print(Text(f"warning: {shown(line)}", style="yellow"), soft_wrap=True)


def export_facts(exported: Exported, output: str) -> dict[str, Any]:
    """A written data set as plain data, as `--json` prints it."""
    return {
        "output": output,
        "samples": exported.samples,
        "bytes": exported.bytes,
        "files": len(exported.files),
        "missing": [asdict(one) for one in exported.missing],
        "failed": [asdict(one) for one in exported.failed],
        "rendered": exported.rendered,
    }


def print_export(exported: Exported, output: str, run: str) -> None:
    """What was written, and where."""
    console = Console(highlight=False)
    console.print(f"{_sizes(exported)}{_there(exported)}")
    _print_missing(console, exported)
    sys.stdout.write(f"data set: {output}\ncheck:    imagecurator verify {output} --run {run}\n")


def _print_missing(console: Console, exported: Exported) -> None:
    if exported.missing:
        first = exported.missing[0]
        which = f"{shown(first.image_id)} for one: {shown(first.reason)}"
        console.print(Text(f"note: missing: {counted(len(exported.missing), 'kept sample')}, {which}"), soft_wrap=True)
    if exported.failed:
        first = exported.failed[0]
        which = f"{shown(first.image_id)} for one: {shown(first.reason)}"
        left = counted(len(exported.failed), "kept sample")
        console.print(Text(f"note: left out, because it could not be encoded anew: {left}, {which}"), soft_wrap=True)
    if exported.rendered:
        own = exported.samples - exported.rendered
        others = f"; the other {own:,} have their own bytes" if own and exported.written == _shards(exported) else ""
        console.print(f"{counted(exported.rendered, 'image')} made anew{others}")


def _shards(exported: Exported) -> int:
    return sum(file.name.endswith(".parquet") for file in exported.files)


def _sizes(exported: Exported) -> str:
    """How much was delivered, in the bytes that `verify` reads: those of all files."""
    size = amount(sum(file.bytes for file in exported.files))
    return f"{counted(exported.samples, 'sample')}, {size}, in {counted(_shards(exported), 'shard')}"


def _there(exported: Exported) -> str:
    return "" if exported.written or not exported.files else ", all of which were there already"


def plan_facts(plan: ExportPlan, output: str) -> dict[str, Any]:
    """An export to come as plain data, as `--json` prints it."""
    return {"output": output, "samples": plan.samples, "bytes": plan.bytes, "shards": len(plan.shards)}


def print_export_plan(plan: ExportPlan, output: str) -> None:
    """What an export would write."""
    sys.stdout.write(
        f"{counted(plan.samples, 'sample')}, {amount(plan.bytes)}, in {counted(len(plan.shards), 'shard')}\n"
        f"data set: {output}\nThis was a dry run: nothing is written.\n"
    )


def _print_places(console: Console, summary: Summary) -> None:
    seconds = sum(summary.seconds.values())
    # no rate: that of the scoring was told, and this time holds deciding and writing too
    inputs = counted(summary.funnel.inputs, "input")
    console.print(f"\n{inputs} in {seconds:.1f} s; {_sizes(summary.exported)}{_there(summary.exported)}")
    _print_missing(console, summary.exported)
    if summary.ignored:
        console.print(
            Text(f"ignored: {', '.join(map(shown, summary.ignored[:3]))}{' …' if len(summary.ignored) > 3 else ''}")
        )
    sys.stdout.write(f"data set: {summary.output}\nreport:   {summary.run.report}\n")
