"""`imagecurator fetch`: a list of URLs to shards."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from nemo_curator.cli import options
from nemo_curator.cli.amounts import amount, counted, shown
from nemo_curator.kernels.sizes import parse_size

if TYPE_CHECKING:
    from nemo_curator.fetching import Fetched, Progress

_SECONDS = 10.0  # between two lines about the progress


def _bytes(text: str | int) -> int:
    if text == 0:  # the default
        return 0
    try:
        found = parse_size(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error)) from None
    if found <= 0:
        raise typer.BadParameter(f"{text!r} is nothing at all")
    return found


def fetch(
    urls: Annotated[
        str,
        typer.Argument(metavar="LIST", help="List of URLs: Parquet, CSV, TSV, JSON Lines, text, or a folder of such."),
    ],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="Folder for the shards and the status table.")],
    url_column: Annotated[
        str, typer.Option("--url-column", metavar="NAME", help="Column of the URLs; guessed by its name.")
    ] = "",
    caption_column: Annotated[
        str, typer.Option("--caption-column", metavar="NAME", help="Column of the captions; guessed by its name.")
    ] = "",
    shard_size: Annotated[int, typer.Option("--shard-size", min=1, metavar="ROWS", help="Rows of a shard.")] = 1000,
    connections: Annotated[int, typer.Option("--connections", min=1, metavar="N", help="Requests at a time.")] = 64,
    per_host: Annotated[
        int, typer.Option("--per-host", min=1, metavar="N", help="Requests at a time to one host.")
    ] = 2,
    delay: Annotated[
        float, typer.Option("--delay", min=0, metavar="SECONDS", help="Time between two requests to one host.")
    ] = 0.2,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="Silence after which a server is given up.")
    ] = 10.0,
    total_time: Annotated[
        float, typer.Option("--total-time", min=0.1, metavar="SECONDS", help="Time that one answer may take.")
    ] = 60.0,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", metavar="SIZE", parser=_bytes, help="Bytes that an image may have.")
    ] = 64_000_000,
    memory: Annotated[
        int,
        typer.Option(
            "--memory",
            metavar="SIZE",
            parser=_bytes,
            help="Memory for rows, answers and images under way; a share of the machine's by default.",
        ),
    ] = 0,
    retries: Annotated[
        int, typer.Option("--retries", min=0, metavar="N", help="Further tries where a failure may pass.")
    ] = 2,
    longest_wait: Annotated[
        float,
        typer.Option("--longest-wait", min=0.1, metavar="SECONDS", help="Longest wait that a server may ask for."),
    ] = 60.0,
    redirects: Annotated[int, typer.Option("--redirects", min=0, metavar="N", help="Redirects that are followed.")] = 5,
    user_agent: Annotated[
        str, typer.Option("--user-agent", metavar="TEXT", help="What servers are told; add how to reach you.")
    ] = "",
    robots: Annotated[bool, typer.Option("--robots/--ignore-robots", help="Whether robots.txt is obeyed.")] = True,
    opt_outs: Annotated[
        str | None,
        typer.Option("--opt-outs", metavar="WORDS", help="Words of X-Robots-Tag that are obeyed, commas between."),
    ] = None,
    ignore_opt_outs: Annotated[
        bool, typer.Option("--ignore-opt-outs", help="Take images whose headers say that they may not be used.")
    ] = False,
    allow_private: Annotated[
        list[str] | None,
        typer.Option("--allow-private", metavar="NETWORK", help="Connect to this network too, as in 10.0.0.0/8."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again for what failed in a way that may pass.")
    ] = False,
    log_json: options.LogJson = None,
    metrics: options.Metrics = None,
    as_json: options.AsJson = False,
) -> None:
    """Download the images that a list of URLs names, politely, with an answer for every row."""
    # imported here so that `--help` and other commands need not wait for pyarrow
    from nemo_curator.cli.fetch_events import FetchEvents
    from nemo_curator.cli.observing import Observing, observed
    from nemo_curator.fetching import FetchSettings
    from nemo_curator.fetching import fetch as fetched
    from nemo_curator.fetching.opt_outs import OPT_OUTS
    from nemo_curator.fetching.settings import USER_AGENT
    from nemo_curator.pipeline.progress import Watcher

    words = OPT_OUTS if opt_outs is None else tuple(one for one in opt_outs.split(",") if one.strip())
    settings = FetchSettings(
        url_column=url_column,
        caption_column=caption_column,
        shard_size=shard_size,
        connections=connections,
        per_host=per_host,
        delay=delay,
        timeout=timeout,
        total_time=total_time,
        max_bytes=max_bytes,
        memory=memory,
        retries=retries,
        longest_wait=longest_wait,
        redirects=redirects,
        user_agent=user_agent or USER_AGENT,
        robots=robots,
        opt_outs=() if ignore_opt_outs else words,
        allowed_networks=tuple(allow_private or ()),
    )
    observing = Observing(log_json, metrics)
    lines = _silent if as_json or observing.takes_stderr else _Lines()
    with observed("fetch", observing, Watcher(), {"inputs": [urls], "output": output}) as watcher:
        with FetchEvents(watcher) as events:

            def told(progress: Progress) -> None:
                lines(progress)
                events.take(progress)

            found = fetched(urls, output, settings, retry_failed=retry_failed, told=told)
        events.end(found)
    if as_json:
        sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n")
    else:
        _print(found)


def _silent(_: Progress) -> None:
    """Machines listen."""


class _Lines:
    """A line on stderr every ten seconds."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()
        self._at_begin = -1

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._at_begin < 0:
            self._at_begin = progress.done
        if now - self._said < _SECONDS:
            return
        self._said = now
        rate = (progress.done - self._at_begin) / (now - self._began)
        sys.stderr.write(
            f"fetch: {progress.done:,} of {counted(progress.rows, 'URL')}, {rate:,.0f} a second; "
            f"{counted(progress.images, 'image')}, {amount(progress.bytes)}\n"
        )
        sys.stderr.flush()


def _print(found: Fetched) -> None:
    others = ", ".join(f"{word} {count:,}" for word, count in found.statuses.items() if word != "ok")
    lines = [f"fetched:    {found.ok:,} of {counted(found.rows, 'URL')}"]
    if found.images != found.ok:
        lines[0] += f", {found.images:,} just now"
    lines[0] += f" ({amount(found.bytes)})"
    if others:
        lines.append(f"without:    {others}")
    lines += [f"output:     {found.output}", f"next:       imagecurator run {found.output} CURATED"]
    sys.stdout.write("".join(f"{shown(line)}\n" for line in lines))
