"""`imagecurator explain`: everything known about one image."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from nemo_curator.cli import options
from nemo_curator.cli.amounts import shown
from nemo_curator.report.remedies import remedy

_TOLD = (
    *("image_id", "members", "primary", "ordinal", "metadata", "caption", "key", "source", "input", "sha256"),
    *("embedded_caption", "warnings"),
)


def explain(
    run: options.RunPlace,
    image_id: Annotated[
        str, typer.Argument(metavar="IMAGE_ID", help="The image, as the report and decisions call it, or its path.")
    ],
    as_json: options.AsJson = False,
) -> None:
    """Say where an image came from, every score, what every rule says of it, its verdict, and where it was exported."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.pipeline.explain import explain as explained
    from nemo_curator.runs.location import run_at

    place = run_at(run)
    facts = explained(place, image_id)
    if as_json:
        sys.stdout.write(json.dumps(asdict(facts), indent=2, default=str) + "\n")
        return
    _print_source(facts)
    _print_scores(facts)
    _print_rules(facts)
    _print_verdict(facts, place.root)


def _line(name: str, value: object) -> None:
    sys.stdout.write(f"{name:<16} {shown(value)}\n")


def _print_source(facts: Any) -> None:
    row = facts.row
    _line("image", facts.image_id)
    _line("read from", facts.location or row["source"])
    for index, member in enumerate(row["members"] or []):
        what = "the image, " if index == row["primary"] else "sidecar, " if _has_image(row) else ""
        at = f" at byte {member['offset']:,}" if member["offset"] else ""
        _line("  file", f"{member['name']} ({what}{member['length']:,} bytes{at})")
    _line("  sha256", row["sha256"] or "-")
    if row["caption"]:
        _line("caption", row["caption"][:300])
    if row.get("embedded_caption"):
        _line("embedded", row["embedded_caption"][:300])
    for text in row.get("warnings") or []:
        _line("decoder said", text)
    if row["error"]:
        _line("error", f"{row['error']} ({row['error_stage']}): {row['error_detail']}")
        _line("what to do", remedy(row["error"])[1])


def _has_image(row: Mapping[str, Any]) -> bool:
    """Whether one file of the record is its image; what could not be read may be the record itself, and no sidecar."""
    return row["primary"] is not None and row["primary"] >= 0


def _print_scores(facts: Any) -> None:
    found = {name: value for name, value in facts.row.items() if name not in _TOLD and not name.startswith("error")}
    found |= facts.explanation.computed
    if facts.row["error"]:  # what cannot be read has no scores, which nobody misses
        found = {name: value for name, value in found.items() if value is not None}
    if found:
        sys.stdout.write("\n")
    for name, value in found.items():
        _line(name, _value(value))


def _value(value: Any) -> object:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)[:300]


def _print_rules(facts: Any) -> None:
    if not (facts.explanation.rules or facts.explanation.listed or facts.explanation.known):
        return
    sys.stdout.write("\n")
    for match in facts.explanation.known:
        _line(f"list {match.name}", f"rejects it: {match.reason}")
    for rule in facts.explanation.rules:
        unknown = (
            "was not asked, because a lazy scoring left out what it reads" if rule.left_out else "has no value (NULL)"
        )
        says = {True: "rejects it", False: "does not", None: unknown}[rule.matches]
        figures = (
            f" [{rule.score:.6g} against {rule.threshold:.6g}]" if None not in {rule.score, rule.threshold} else ""
        )
        _line(f"rule {rule.name}", f"{says}: {rule.text}{figures}")
    for name in facts.explanation.listed:
        _line("listed in", name)


def _print_verdict(facts: Any, run: str) -> None:
    sys.stdout.write("\n")
    decision = facts.decision
    if decision is None:
        _line("verdict", f"none: {facts.undecided}; run `imagecurator decide {run}`")
    else:
        why = f" by {decision['rule']}" if decision["rule"] else ""
        told = decision["verdict"] == "quarantine" and facts.row["error"]  # as the error, above
        reason = f": {decision['reason']}" if decision["reason"] and not told else ""
        _line("verdict", f"{decision['verdict']}{why}{reason}")
        if decision.get("split"):
            _line("split", decision["split"])
        if decision["duplicate_of"]:
            _line("duplicates", decision["duplicate_of"])
    others = facts.explanation.duplicates
    if others:
        _line("alike", f"{', '.join(others[:5])}{f' and {len(others) - 5:,} more' if len(others) > 5 else ''}")
    for one in facts.exported:
        _line("exported", f"{one.output}: {one.shard}, as {', '.join(one.files) or one.key}")
