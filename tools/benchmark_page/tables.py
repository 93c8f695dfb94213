"""A table for each block of the page of benchmarks, made from the JSON that a benchmark leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.support.request_kinds import BILLED, requests_in

Result = Mapping[str, Any]
WORKS = {
    "statistics": "header and three statistics",
    "models": "and both embedded models",
    "clip-b32": "and CLIP B/32",
    "clip-l14": "and CLIP L/14",
}
SIZES = ("500x375", "1500x1000")
_BY = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Table:
    """What a block shows.

    Attributes:
        script: The benchmark whose results it takes, without extension.
        pattern: Names of those results, a regular expression; the order of the table is `lines`'s own.
        lines: Results to the lines of a Markdown table.
    """

    script: str
    pattern: str
    lines: Callable[[Sequence[Result]], list[str]]

    def chosen(self, found: Iterable[str]) -> list[str]:
        """Those of some results that it takes."""
        return [name for name in found if re.fullmatch(self.pattern, name)]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table whose first column is words and whose others are figures."""
    lines = [f"| {' | '.join(map(str, row))} |".replace(" x ", f" {_BY} ") for row in (head, *rows)]
    return [lines[0], f"|---|{'---:|' * (len(head) - 1)}", *lines[1:]]


def figure(value: float, unit: str = "") -> str:
    """Three digits that mean something, thousands apart."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3  # noqa: PLR2004 (digits)
    text = f"{value:,.{digits}f}"
    return f"{text} {unit}".strip() if size or unit else "0"


def limit(found: Sequence[Result]) -> list[str]:
    """Ours beside bare loops, a row a work and size."""
    places = {(one["work"], one["size"]): one for one in found}
    ordered = [places[work, size] for work in WORKS for size in SIZES if (work, size) in places]
    head = ["work", "photos", "ours", "bare loop", "share", "with start", "cores used", "processor ms an image"]
    return table(
        head,
        (
            [
                WORKS[one["work"]] + (f", {one['precision']}" if one["work"].startswith("clip") else ""),
                _count(one["data"]),
                f"{figure(one['images_per_second']['ours'])}/s",
                f"{figure(one['images_per_second']['bare'])}/s",
                f"{one['share_of_limit']:.2f}",
                f"{one['share_of_limit_with_start']:.2f}",
                f"{one['cores_used']['ours']:.2f}",
                ", ".join(figure(one["processor_ms_an_image"][who]) for who in ("ours", "bare")),
            ]
            for one in ordered
        ),
    )


def peers(found: Sequence[Result]) -> list[str]:
    """One work by several packages, a row each."""
    (one,) = found
    head = [_count(one["data"]), "seconds", "times as long", "images/s, steady", "times as long, steady"]
    rows = [
        [
            name,
            figure(way["seconds"]),
            f"{way['times_as_long']:.2f}",
            figure(way["steady_images_per_second"]),
            f"{way['times_as_long_steady']:.2f}",
        ]
        for name, way in one["ways"].items()
    ]
    packages = "; ".join(text for text in one["packages"].values() if text)
    missing = f" Not installed there: {', '.join(one['left_out'])}." if one["left_out"] else ""
    return [*table(head, rows), "", f"{packages}.{missing}"]


def default_run(found: Sequence[Result]) -> list[str]:
    """The default run beside its limit and the usual script."""
    (one,) = found
    ways = {
        "ours": "`imagecurator run`, default recipe",
        "limit": "*limit*: a bare loop over the same library calls on all cores, nothing around it",
        "usual": "*usual*: a script with tarfile, Pillow, ONNX Runtime and a multiprocessing pool",
    }
    share, times = one["speed_as_share_of_limit"], one["times_the_speed_of_usual"]
    rows = [
        [words, figure(one["seconds"][way]), figure(one["images_per_second"][way]), ratio]
        for (way, words), ratio in zip(ways.items(), ["", f"{share:.2f}", f"{times:.2f}"], strict=True)
    ]
    return table(["1,000 photos", "seconds", "images/s", "speed of ours over it"], rows)


def overheads(found: Sequence[Result]) -> list[str]:
    """What the frame costs where nothing is done."""
    (one,) = found
    rows = []
    for name, value in one["medians"].items():
        what, _, unit = name.rpartition(", ")
        rows.append([what, figure(value * (1000 if unit == "s" and value < 1 else 1), "ms" if value < 1 else unit)])
    return table(["medians", "each"], rows)


def growth(found: Sequence[Result]) -> list[str]:
    """From few images to many, with the exponents."""
    (one,) = found
    head = ["images", "seconds", "images/s", "peak", "run directory, bytes an image", "again, s", "a tenth resumed, s"]
    rows = [
        [
            f"{int(size):,}",
            figure(at["seconds"]),
            figure(at["images_per_second"]),
            f"{at['peak_mb']:,} MB",
            at["run_directory_bytes_an_image"],
            figure(at["again_seconds"]),
            figure(at["resumed_seconds"]),
        ]
        for size, at in one["sizes"].items()
    ]
    powers = one["exponents"]
    last = ["*exponent*", powers["seconds"], "", powers["peak_mb"], "", powers["again_seconds"]]
    return table(head, [*rows, [*last, powers["resumed_seconds"]]])


def decide_speed(found: Sequence[Result]) -> list[str]:
    """Deciding beside one bare query."""
    ordered = sorted(found, key=lambda one: int(one["data"].partition(" ")[0].replace(",", "")))
    rows = [
        [
            one["data"].partition(" ")[0],
            *(
                cell
                for who in ("ours", "limit")
                for cell in (f"{figure(one['seconds'][who])} s", f"{one['peak_mb'][who]:,} MB")
            ),
        ]
        for one in ordered
    ]
    return table(["rows", "`decide`", "peak", "*limit*", "peak"], rows)


def export_speed(found: Sequence[Result]) -> list[str]:
    """Exporting beside a bare loop."""
    (one,) = found
    rows = [
        [
            words,
            f"{figure(one[kind]['seconds']['ours'])} s",
            f"{figure(one[kind]['seconds']['bare_loop'])} s",
            f"{one[kind]['speed_as_share_of_bare_loop']:.2f}",
            f"{one[kind]['rounds_from']:.2f} to {one[kind]['rounds_to']:.2f}",
        ]
        for kind, words in (("tars", "tars"), ("files", "loose files"))
    ]
    return table(["source", "export", "bare loop", "share of its speed", "in single rounds"], rows)


def import_time(found: Sequence[Result]) -> list[str]:
    """Importing beside Python alone."""
    (one,) = found
    rows = [["`python -c pass`", figure(one["python_ms"])]]
    rows += [["`python -c 'import nemo_curator'`", figure(one["import_nemo_curator_ms"])]]
    return table([f"medians of {one['runs']}", "ms"], rows)


def statistics_cost(found: Sequence[Result]) -> list[str]:
    """All statistics beside the decode."""
    (one,) = found
    kinds = ("500 x 375", "the files as they are", "1500 x 1000")
    rows = [
        [
            kind,
            f"{figure(one[kind]['milliseconds']['decode'])} ms",
            f"{figure(one[kind]['scores_ms'])} ms",
            f"{one[kind]['scores_of_decode']:.2f}",
            f"{one[kind]['scores_and_views_of_decode']:.2f}",
        ]
        for kind in kinds
    ]
    return table(["picture", "decode", "scores", "share", "with cutting their two views"], rows)


def score_cost(found: Sequence[Result]) -> list[str]:
    """Each score by itself, cheapest first."""
    (one,) = found
    rows = sorted(one["scores"].items(), key=lambda score: score[1]["score_ms"])
    cells = ([f"`{name}`", figure(row["score_ms"]), figure(row["views_ms"])] for name, row in rows)
    return table(["score", "ms", "cutting its views, ms"], cells)


def known_bad_speed(found: Sequence[Result]) -> list[str]:
    """Matching lists beside comparing each with each."""
    (one,) = found
    rows = [
        [
            row["pairs"].replace(" images x ", " x ").removesuffix(" listed"),
            f"{figure(row['seconds']['ours'])} s",
            f"{figure(row['seconds']['limit'])} s",
            figure(row["times_faster"]),
        ]
        for row in one["search"]
    ]
    return table(["images x listed", "ours", "each with each", "times as fast"], rows)


def fast_decode(found: Sequence[Result]) -> list[str]:
    """Reduced decoding beside the full one."""
    (one,) = found
    rows = [["the reference: full decode", figure(one["full_ms"]), ""]]
    rows += [["`decode.fast`", figure(one["fast_ms"]), f"{one['ratio']:.1f}"]]
    return table(["", "ms an image", "times as fast"], rows)


def _count(data: str) -> str:
    """The first two parts of the words about some photos: how many of what size, and how long."""
    return ", ".join(data.split(", ")[:2])


def report_speed(found: Sequence[Result]) -> list[str]:
    """The report beside its budgets, a column a size of run."""
    ordered = sorted(found, key=lambda one: int(one["data"].split()[0].replace(",", "")))
    budgets = ordered[-1]["budgets"]
    words = {
        "seconds": "seconds, as a whole process",
        "peak_mb": "MB of memory, all processes",
        "page_mb": "MB of the page",
        "interactive_s": "seconds until the page can be used",
    }
    head = ["the report", *(one["data"] for one in ordered), "budget"]
    return table(head, ([words[key], *(one[key] for one in ordered), budgets[key]] for key in words))


def object_requests(found: Sequence[Result]) -> list[str]:
    """What each command asks of an object store, for each shard and for the run."""
    (one,) = found
    rows = []
    for step, places in one["steps"].items():
        cells = []
        for column in BILLED:
            shard, run = (requests_in(places.values(), column, which) for which in ("a_shard", "a_run"))
            cells.append(f"{_plain(shard)} + {_plain(run)}")
        rows.append([step, *cells])
    return table(["requests: a shard + a run", *BILLED], rows)


def object_shards(found: Sequence[Result]) -> list[str]:
    """What of that depends on the size of a shard."""
    stored = ("parts", "embeddings")
    columns = {
        "score: input": ("score", ("input",)),
        "score: parts, embeddings": ("score", stored),
        "decide": ("decide", stored),
        "export: input": ("export", ("input",)),
        "export: parts, embeddings": ("export", stored),
        "report": ("report", stored),
    }
    rows = []
    for one in sorted(found, key=lambda one: (one["each"], one["shard_mb"])):
        cells = []
        for step, places in columns.values():
            there = one["steps"].get(step)
            if there is None:
                cells.append("")
                continue
            cells.append(_plain(requests_in((there.get(place, {}) for place in places), "GET", "a_shard")))
        rows.append([f"{one['each']:,}, {figure(one['shard_mb'])} MB", *cells])
    return table(["GET a shard; images and size of one", *columns], rows)


def ray_scaling(found: Sequence[Result]) -> list[str]:
    """Ray beside the local executor, on one core and on two."""
    (one,) = found
    head = [
        f"{one['images']:,} photos",
        "seconds to start",
        "ms an image",
        "images/s",
        "speed over one core",
        "time of an image over local",
        "peak MB",
    ]
    names = {"local": "local", "ray": "Ray"}
    rows = []
    for way, what in one["ways"].items():
        executor, _, cores = way.partition(", ")
        figures = [figure(what[name]) for name in ("start_seconds", "ms_an_image", "images_per_second")]
        ratios = [f"{what[name]:.2f}" for name in ("speed_over_one_core", "time_over_local")]
        words = f"{names[executor]}, {cores} {'core' if cores == '1' else 'cores'}"
        rows.append([words, *figures, *ratios, f"{what['peak_mb']:,}"])
    return [*table(head, rows), "", f"The cluster itself took {figure(one['cluster_start_seconds'], 's')} to start."]


def _plain(value: float) -> str:
    """A number of requests, without digits that say nothing."""
    return f"{round(value, 2) + 0.0:,g}"


TABLES: dict[str, Table] = {
    "limit": Table("limit", r"limit_.+", limit),
    **{
        f"peers_{work}": Table("peers", f"peers_{work}", peers)
        for work in ("statistics", "resize", "clip", "quality", "headers")
    },
    **{
        make.__name__: Table(make.__name__, make.__name__, make)
        for make in (
            default_run,
            overheads,
            growth,
            export_speed,
            import_time,
            statistics_cost,
            score_cost,
            known_bad_speed,
            ray_scaling,
            fast_decode,
        )
    },
    "report_speed": Table("report_speed", r"report_speed_\d+", report_speed),
    "decide_speed": Table("decide_speed", r"decide_speed_\d+", decide_speed),
    "object_requests": Table("object_requests", r"object_requests_statistics_1000", object_requests),
    "object_shards": Table("object_requests", r"object_requests_\w+_\d{2,}", object_shards),
}
"""Name of a block to what it shows."""
