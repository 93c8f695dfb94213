"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from nemo_curator.kernels.sizes import parse_size
from nemo_curator.planning.sharding import Shard


def _size(text: str) -> int:
    try:
        size = parse_size(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(str(error)) from None
    if size <= 0:
        raise typer.BadParameter(f"{text!r} is no memory at all")
    return size


def _only_with_ray(context: typer.Context, address: str | None) -> str | None:
    if address is not None and context.params.get("executor") != "ray":
        raise typer.BadParameter("this is the address of a Ray cluster; say --executor ray too")
    return address


Inputs = Annotated[
    list[str],
    typer.Argument(metavar="INPUT...", help="Folders of images, tars, Parquet, image files; NAME=PATH names one."),
]
RunPlace = Annotated[
    str, typer.Argument(metavar="RUN", help="Run directory, or the OUTPUT of `imagecurator run` that holds one.")
]


def _shard(text: str) -> Shard:
    try:
        return Shard.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


ShardShare = Annotated[
    Shard | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        parser=_shard,
        help="Score one of N shares (1/N to N/N); as many processes as you like score theirs at once.",
    ),
]
RecipeFile = Annotated[
    str | None, typer.Option("--recipe", "-r", metavar="FILE", help="Recipe file; `imagecurator init` writes one.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="KEY=VALUE", help="Set a recipe key, as in `-s export.shard_size=500`."),
]
Scores = Annotated[
    str | None,
    typer.Option("--scores", metavar="NAMES", help="Scores to compute: names with commas between, or `all`."),
]
Pixels = Annotated[bool, typer.Option("--pixels", help="Remove images whose pixels equal those of a kept one.")]
Copies = Annotated[
    int | None,
    typer.Option(
        "--copies",
        min=0,
        max=63,
        metavar="BITS",
        help="Remove edited copies: images whose PDQ hash is so near to that of a kept one; 31 is usual.",
    ),
]
Turned = Annotated[bool, typer.Option("--turned", help="Take turned and flipped pictures for copies too.")]
Similar = Annotated[
    float | None,
    typer.Option(
        "--similar",
        min=0.0,
        max=1.0,
        metavar="EPS",
        help="Remove images that are alike: with an embedding whose cosine to that of a kept one is at least 1 - EPS.",
    ),
]
Protect = Annotated[
    list[str] | None,
    typer.Option(
        "--protect",
        metavar="DATASET",
        help="Reject images that show one of this evaluation set: tar, Parquet, folder, data set, run; NAME=PATH too.",
    ),
]
Against = Annotated[
    list[str] | None,
    typer.Option(
        "--against",
        metavar="RUN",
        help="Treat as duplicates also images that repeat one kept by this earlier run; NAME=RUN too.",
    ),
]
Workers = Annotated[
    int | None, typer.Option("--workers", "-w", min=0, help="Worker processes; one a core by default, 0 for none.")
]
Memory = Annotated[
    int | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        parser=_size,
        help="Memory that all processes may take together, as in 4GB; a share of the machine's by default.",
    ),
]
Executor = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--executor",
        is_eager=True,
        help="Where images are read and scored: on this machine, or on a Ray cluster.",
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="HOST:PORT",
        callback=_only_with_ray,
        help="The cluster, or `auto`; RAY_ADDRESS by default, else one is started on this machine.",
    ),
]
Rescore = Annotated[
    bool,
    typer.Option(
        "--rescore",
        help="Compute again the columns of another model, parameter, limit or way of decoding, and changed files.",
    ),
]
SkipMissing = Annotated[
    bool, typer.Option("--skip-missing", help="Leave out, and list, samples whose source is gone or changed.")
]
ModelDir = Annotated[
    str | None,
    typer.Option("--model-dir", metavar="DIR", help="Your directory of models; $IMAGECURATOR_MODEL_DIR by default."),
]
Profile = Annotated[
    bool, typer.Option("--profile", help="Say where the time went, and draw it: profile.svg in the run directory.")
]
LogJson = Annotated[
    str | None,
    typer.Option(
        "--log-json", metavar="FILE", help="Append what happens to this file, a line of JSON an event; - for stderr."
    ),
]
Metrics = Annotated[
    str | None,
    typer.Option("--metrics", metavar="FILE", help="Keep metrics in this file, in the text format of Prometheus."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for machines.")]
