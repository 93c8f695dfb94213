"""Where killed commands work, and which commands there are to kill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cli.processes import imagecurator
from tests.crash.commands import Watched, results
from tests.crash.material import CHEAP, make_source

RESCORED = CHEAP.replace(
    "[header, sharpness, entropy]", "[header, sharpness, {entropy: {model_inference_batch_size: 7}}, exposure]"
)
WORKERS = (1, 2, 4)
SCORED, DECIDED = ("score",), ("score", "decide")


@dataclass
class Place:
    """An input, a recipe, and the folders that commands write.

    Attributes:
        base: A folder of its own.
        watched: Starts and kills.
    """

    base: Path
    watched: Watched

    @classmethod
    def make(cls, base: Path, recipe: str = CHEAP) -> Place:
        """A place with the small input."""
        base.mkdir(parents=True, exist_ok=True)
        make_source(base / "in")
        (base / "recipe.yaml").write_text(recipe)
        (base / "rescored.yaml").write_text(RESCORED)
        (base / "ids.txt").write_text("a/001\nloose/x.jpg\nnobody\n")
        return cls(base, Watched(base, (base / "run", base / "out")))

    @property
    def folders(self) -> tuple[Path, Path]:
        """The run directory of separate commands, and the data set."""
        return self.base / "run", self.base / "out"

    def results(self) -> dict[str, str]:
        """What must be the same bytes."""
        return results(*self.folders)

    def arguments(self, name: str, workers: int = 1) -> list[str]:
        """The arguments of a command by its name here."""
        source, run, out, recipe = (str(self.base / one) for one in ("in", "run", "out", "recipe.yaml"))
        scoring = ["-w", str(workers)]
        rescored = ["score", source, run, "-r", str(self.base / "rescored.yaml"), *scoring]
        known = {
            "run": ["run", source, out, "-r", recipe, *scoring],
            "score": ["score", source, run, "-r", recipe, *scoring],
            "rescore": [*rescored, "--rescore"],
            "rescore, unasked": rescored,
            "decide": ["decide", run, "--rule", "small=least(width, height) < 30"],
            **{key: ["remove", out, "--ids", str(self.base / "ids.txt")] for key in ("remove", "remove mds")},
        }
        known |= {
            f"export {form}": ["export", run, out, "--format", form]
            for form in ("webdataset", "folder", "parquet", "mds")
        }
        return known[name]

    def do_here(self, *names: str) -> None:
        """Commands to their good end in this process, without workers: sooner there, with the same bytes."""
        for name in names:
            done = imagecurator(*self.arguments(name, 0))
            assert done.returncode == 0, done.stderr

    def do(self, names: Sequence[str], workers: int = 1) -> list[str]:
        """Commands to their good end; the events of the last one."""
        events: list[str] = []
        for name in names:
            events = self.watched.finish(*self.arguments(name, workers))
        return events


# every command that is killed, and what comes before it
JOBS: dict[str, tuple[str, ...]] = {
    "run": (),
    "score": (),
    "rescore": SCORED,
    "decide": SCORED,
    "export webdataset": DECIDED,
    "export folder": DECIDED,
    "export parquet": DECIDED,
    "export mds": DECIDED,
    "remove": (*DECIDED, "export webdataset"),
    "remove mds": (*DECIDED, "export mds"),
}
