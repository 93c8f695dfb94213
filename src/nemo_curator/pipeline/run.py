"""A run directory as an object, for programs and notebooks; `nemo_curator.runs.Run` is this class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import yaml

from nemo_curator import storage
from nemo_curator.errors import RecipeError
from nemo_curator.kernels.sizes import parse_size
from nemo_curator.pipeline.decide import decide_locked, recipe_of
from nemo_curator.pipeline.explain import ImageFacts, explain
from nemo_curator.pipeline.export import decided_state, export_locked
from nemo_curator.pipeline.places import plain_place
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.pipeline.scored import scored_partitions
from nemo_curator.pipeline.search import Hits, Sought, search
from nemo_curator.planning.recipe import SCORING_KEYS, Recipe
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.planning.sharding import Shard
from nemo_curator.runs.deciding import SCHEMA, Comparison, Funnel, compare
from nemo_curator.runs.exporting import Exported
from nemo_curator.runs.location import run_at
from nemo_curator.runs.lookup import ID
from nemo_curator.runs.parts import read_part
from nemo_curator.runs.state import RunState
from nemo_curator.runs.status import RunStatus, run_status
from nemo_curator.shards.parquet import read_table

_VERDICTS = tuple(field for field in SCHEMA if field.name != ID)


class Run:
    """A run: score once, look at the scores, decide as often as you like, export.

    Args:
        path: Run directory that is there: what `Run.score` made, or `OUTPUT/run` of `imagecurator run`, which `OUTPUT`
            names too.

    Raises:
        MissingRunError: There is none.
    """

    def __init__(self, path: str) -> None:
        self.directory = run_at(plain_place(str(path)))
        RunState.require(self.directory)

    @classmethod
    def score(
        cls,
        inputs: str | Sequence[str],
        path: str,
        *,
        workers: int | None = None,
        memory: int | str | None = None,
        rescore: bool = False,
        shard: str | None = None,
        **recipe: Any,
    ) -> Self:
        """Read and score images into a run directory; what is there already is not computed again.

        Args:
            inputs: Folders, tars, image files, each optionally as `NAME=PATH`.
            path: The run directory, new or to be continued.
            workers: Worker processes; one a CPU core by default, 0 for none.
            memory: What all processes may take together: bytes, or a text such as `4GB`; a share of the machine's
                memory by default.
            rescore: Compute columns again that were computed in another way, and files that changed.
            shard: `3/16` for the third of sixteen shares of the partitions: other processes may score the others into
                the same directory at the same time.
            recipe: Keys of a recipe, such as `scores=["header", "sharpness"]`.

        Raises:
            ValueError: `shard` or `memory` is no such text.
            CuratorError: As `imagecurator score`: see `nemo_curator.pipeline.score_run.score_run`.
        """
        given = [inputs] if isinstance(inputs, str) else list(inputs)
        budget = None if memory is None else parse_size(memory)
        share = None if shard is None else Shard.parse(shard)
        chosen = _recipe(recipe)  # first, because it may say how the run directory is reached
        run = run_at(plain_place(str(path)))
        score_run(given, run, chosen, workers=workers, memory=budget, rescore=rescore, shard=share)
        return cls(path)

    def __repr__(self) -> str:
        return f"Run({self.directory.root!r})"

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe in force, as plain data."""
        return RunState.require(self.directory).recipe

    @property
    def schema(self) -> pa.Schema:
        """The columns of `scan`, without those of verdicts."""
        return RunState.require(self.directory).schema

    @property
    def warnings(self) -> list[str]:
        """What the last decision found odd about the thresholds of its rules, a sentence each."""
        return [one["text"] for one in RunState.require(self.directory).warnings]

    def status(self) -> RunStatus:
        """How far the run is."""
        return run_status(self.directory)

    def scan(self, columns: Sequence[str] | None = None, *, verdicts: bool = False) -> Iterator[pa.RecordBatch]:
        """All input records in source order, a partition at a time.

        Args:
            columns: Some columns, by name; all by default. What a partition does not have is NULL.
            verdicts: Whether to add the columns of the decisions.

        Yields:
            Batches of one schema.

        Raises:
            IncompleteRunError: Partitions are not scored yet, or verdicts are asked for before a decision.
            RecipeError: There is no such column.
        """
        schema = self._schema_of(columns)
        start, added = 0, _VERDICTS if verdicts else ()
        decided = self.decisions() if verdicts else None
        for partition_id in scored_partitions(self.directory):
            part = read_part(self.directory, partition_id, schema.names)
            arrays = [
                part[field.name] if field.name in part.column_names else pa.nulls(part.num_rows, field.type)
                for field in schema
            ]
            if decided is not None:
                arrays += [decided[field.name].slice(start, part.num_rows) for field in added]
            start += part.num_rows
            yield from pa.table(arrays, schema=pa.schema([*schema, *added])).to_batches()

    def table(self, columns: Sequence[str] | None = None, *, verdicts: bool = False) -> pa.Table:
        """The whole of `scan` in memory; `.to_pandas()` makes a DataFrame of it."""
        schema = pa.schema([*self._schema_of(columns), *(_VERDICTS if verdicts else ())])
        return pa.Table.from_batches(self.scan(columns, verdicts=verdicts), schema)

    def decisions(self) -> pa.Table:
        """One row an input, in source order: verdict, rule, reason, score, threshold, what it duplicates.

        Raises:
            IncompleteRunError: Nothing is decided yet.
        """
        decided_state(self.directory)
        return read_table(self.directory.decisions)

    def embeddings(self) -> Iterator[tuple[list[str], npt.NDArray[np.float16]]]:
        """Ids and embeddings, `(N,)` and `(N, D)` float16 of unit norm, a partition at a time, in source order.

        Of a local run the matrix is mapped from its file, not read.
        """
        for partition_id in scored_partitions(self.directory):
            place = self.directory.embedding_matrix(partition_id)
            if not storage.exists(place):
                continue
            ids = read_table(self.directory.embeddings(partition_id), [ID])[ID].to_pylist()
            if storage.is_local(place):
                matrix = np.load(storage.local_path(place), mmap_mode="r", allow_pickle=False)
            else:
                with storage.open(place) as file:
                    matrix = np.load(file, allow_pickle=False)
            yield [str(one) for one in ids], matrix

    def search(
        self, *, image: str = "", text: str = "", top: int = 20, verdict: str = "", model_dir: str | None = None
    ) -> Hits:
        """The images that are nearest to a picture or to words, by their stored embeddings; nothing is written.

        Args:
            image: Path or URL of an image file; this or `text`.
            text: Words, for a model that has a text tower.
            top: Images to give at most.
            verdict: Only images that the last decision gave this verdict; "" for any.
            model_dir: The user's model directory; the one of the run's recipe by default.

        Returns:
            The answer: its `hits` have `cosine`, `image_id`, `verdict`, `location` and the image's whole `row`.

        Raises:
            ValueError: Both or neither of `image` and `text` are given, or `top` is not positive.
            CuratorError: As `imagecurator search`: see `nemo_curator.pipeline.search.search`.
        """
        if bool(image) == bool(text) or top < 1:
            raise ValueError("give one of image and text, and a top of at least 1")
        return search(self.directory, Sought(str(image), text, top, verdict, model_dir))

    def decide(self, *, write: bool = True, **recipe: Any) -> Funnel:
        """Decide anew from stored scores.

        Args:
            write: Whether to write the verdicts and put the recipe in force; False is a dry run.
            recipe: Keys of a recipe that decide (`rules`, `duplicates`, `allow`, `deny`, `known_bad`, `protect`,
                `against`, `sample`, `split`); the others stay as they are in force.

        Raises:
            RecipeError: A key is unknown or says what to compute, or a rule cannot be evaluated.
            CuratorError: As `imagecurator decide`: see `nemo_curator.pipeline.decide.decide_run`.
        """
        return decide_locked(self.directory, self._changed(recipe), write=write)

    def export(
        self,
        output: str,
        *,
        replace: bool = False,
        skip_missing: bool = False,
        workers: int | None = None,
        memory: int | str | None = None,
        **export: Any,
    ) -> Exported:
        """Write the kept samples as a data set.

        Args:
            output: Folder or URL.
            replace: Whether an earlier data set there may be replaced.
            skip_missing: Whether samples whose source is gone or changed are left out.
            workers: Processes that make images anew, where that is asked for; one a CPU core by default.
            memory: What all processes may take together: bytes, or a text such as `4GB`; a share of the machine's
                memory by default.
            export: Keys of the recipe's `export` (`format`, `shard_size`, `shard_bytes`), and `shuffle`.

        Raises:
            ValueError: `memory` is no such text, or `workers` is not positive.
            CuratorError: As `imagecurator export`: see `nemo_curator.pipeline.export.export_run`.
        """
        keys = {name if name == "shuffle" else f"export.{name}": value for name, value in export.items()}
        recipe = self._changed({}, keys)
        if workers is not None and workers < 1:
            raise ValueError(f"workers is {workers}; give at least 1")
        return export_locked(
            self.directory,
            str(output),
            recipe,
            replace=replace,
            skip_missing=skip_missing,
            workers=workers,
            memory=None if memory is None else parse_size(memory),
        )

    def explain(self, image_id: str) -> ImageFacts:
        """Everything known about one image, by its id or by the path or URL at which it lies.

        Raises:
            UnknownImageError: The run has no such image.
        """
        return explain(self.directory, image_id)

    def compare(self, other: Run) -> Comparison:
        """What the decisions of another run disagree about with these.

        Raises:
            InputError: One of the two is not decided.
        """
        return compare(self.directory, other.directory)

    def _schema_of(self, columns: Sequence[str] | None) -> pa.Schema:
        schema = self.schema
        if columns is None:
            return schema
        unknown = [name for name in columns if name not in schema.names]
        if unknown:
            raise RecipeError(f"there is no column {unknown[0]!r}", where=self.directory.root)
        return pa.schema([schema.field(name) for name in columns])

    def _changed(self, keys: Mapping[str, Any], inner: Mapping[str, Any] | None = None) -> Recipe:
        """The recipe in force with some keys set, and some inside its sections."""
        computing = [name for name in keys if name in SCORING_KEYS]
        if computing:
            raise RecipeError(
                f"{computing[0]!r} says what to compute, and this computes nothing", act="give it to Run.score"
            )
        stored = recipe_of(self.directory)
        own = stored.model_dump(mode="json", exclude_defaults=True)
        changed = _recipe({**own, **keys}, inner)
        return changed.model_copy(update={name: getattr(stored, name) for name in SCORING_KEYS})


def _recipe(keys: Mapping[str, Any], inner: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe of plain data, checked as one that was written.

    Raises:
        RecipeError: It is none.
    """
    overrides = {name: _yaml(value) for name, value in (inner or {}).items()}
    recipe = parse_recipe(_yaml(dict(keys)), where="the recipe given", overrides=overrides)
    if "storage" in keys:  # it counts for this process from now on, not for a run
        storage.use(recipe.storage.options)
    return recipe


def _yaml(value: Any) -> str:
    try:
        return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
    except yaml.YAMLError as error:
        raise RecipeError(f"a recipe is plain data: {error.args[0]}", where="the recipe given") from None
