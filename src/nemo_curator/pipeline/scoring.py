"""From a recipe to the stages that score, and to what each column depends on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from nemo_curator.errors import (
    CuratorError,
    IncompleteScoreError,
    MissingExtraError,
    ModelError,
    RecipeError,
    UnknownModelError,
    WeightsNotFoundError,
)
from nemo_curator.pipeline.numerics import settled_stage
from nemo_curator.planning.numerics import Settled
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import IdList, Rule
from nemo_curator.runs.fingerprints import EMBEDDING, RECORDS
from nemo_curator.runs.merging import Merging
from nemo_curator.runs.parts import part_schema
from nemo_curator.runs.state import PlannedColumn
from nemo_curator.shards.sample import READING_VERSION
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.catalogue import ScoreStage, make_score_stage, score_names
from nemo_curator.stages.declarations import Column, Cost
from nemo_curator.stages.fingerprint import plain, stage_facts
from nemo_curator.stages.image.embedding_fit import (
    declared_embedding,
    fitted,
    gives_embeddings,
    misfit,
    misfit_of_head,
    needs_embeddings,
)
from nemo_curator.stages.image.embeddings import STORED_AS
from nemo_curator.tasks import ImageBatch

Stage = ProcessingStage[ImageBatch, ImageBatch]


@dataclass(frozen=True, slots=True)
class Passing:
    """When a stage is passed over.

    Attributes:
        rules: Number to rule, of those that reject an image before it.
        allow: Images that are never passed over.
        why: Why there are none, or no more, as the end of a sentence; "" where nothing stands in the way.
    """

    rules: Mapping[int, Rule]
    allow: IdList | None = None
    why: str = ""

    @property
    def read(self) -> frozenset[str]:
        """Columns that the rules read."""
        return frozenset().union(*(rule.columns for rule in self.rules.values()))


@dataclass(frozen=True, slots=True)
class Scoring:
    """What the scores of a recipe come to.

    Attributes:
        stages: Score stages, cheapest cost class first, in recipe order inside a class; but what gives embeddings
            stands before all that need them.
        planned: The records, then every column in the order of `stages`, then the embedding.
        skipped: (name, what is missing) of the scores that `all` leaves out.
        lacking: (name, what kind of thing that is, in a word or two) of the same.
        open: The stages before it was settled how their models are computed, in recipe order.
        lazy: Which of them are passed over for which images, in the order of `stages`; none where none is.
    """

    stages: tuple[Stage, ...]
    planned: tuple[PlannedColumn, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    open: tuple[Stage, ...] = ()
    lazy: tuple[Passing, ...] = ()
    lacking: tuple[tuple[str, str], ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """The scores that are recorded."""
        return tuple(one.column for one in self.planned if one.column is not None)

    @property
    def fingerprints(self) -> dict[str, str]:
        """Column to fingerprint."""
        return {one.name: one.fingerprint for one in self.planned}

    def needed(self, columns: Collection[str], *, stored: bool = False) -> tuple[Stage, ...]:
        """The stages that must run to compute some columns: their own, and those that these stand on.

        Args:
            columns: The columns.
            stored: Whether stored embeddings do where a stage says that it needs embeddings.
        """
        wanted = {index for index, stage in enumerate(self.stages) if set(columns) & set(gives(stage))}
        for index in reversed(range(len(self.stages))):
            if index not in wanted:
                continue
            wanted |= self._read_by_gates(index)
            needs = self.stages[index].needs()
            if needs is None:  # it declares nothing, so it may look at whatever came before
                wanted |= set(range(index))
            elif needs.embedding and not stored:
                wanted |= {before for before in range(index) if gives_embeddings(self.stages[before])}
        return tuple(self.stages[index] for index in sorted(wanted))

    def _read_by_gates(self, index: int) -> set[int]:
        """Numbers of the stages whose columns tell for which images a stage is passed over."""
        read = self.lazy[index].read if self.lazy else frozenset()
        return {before for before in range(index) if read & set(gives(self.stages[before]))}

    def ways(self, columns: Collection[str]) -> tuple[tuple[Stage, ...], ...]:
        """Stages that compute the columns which a part lacks, the least first, for where those do not suffice the next.

        An embedding that the part does not lack is stored, so that the embedder need not run.
        """
        least, safe = self.needed(columns, stored=True), self.needed(columns)
        return (safe,) if len(least) == len(safe) or EMBEDDING in columns else (least, safe)

    def merging(self, stages: Collection[Stage], *, decodes: bool) -> Merging:
        """What a scoring by some of the stages puts into parts that are there."""
        computed = tuple(name for stage in stages for name in gives(stage))
        after = {name: stage.name for stage in self.stages for name in gives(stage)}
        return Merging(computed, tuple(stage.name for stage in self.stages), after, decodes)


def plan_scoring(recipe: Recipe, settled: Mapping[str, Settled] | None = None) -> Scoring:
    """Make the stages of a recipe.

    With `scores: all`, scores whose parts are not installed, or that need another embedding than is computed, are left
    out, but for those that `models` speaks of.

    Args:
        recipe: The recipe.
        settled: Model to how it is computed, where the recipe leaves that open; all others are in full
            precision.

    Raises:
        RecipeError: A score or parameter is unknown, or a score needs another embedding than is computed.
        UnknownModelError: A model is unknown.
        WeightsNotFoundError: Its weights are not there.
        MissingExtraError: A package that a score needs is not installed.
        ModelError: A model cannot be computed on this machine as it is settled.
        StageError: Two scores record one column.
    """
    made, skipped = _fitting(recipe)
    settled_stages = {name: settled_stage(stage, recipe.inference, settled or {}) for name, stage in made.items()}
    stages = in_order(tuple(settled_stages.values()))
    part_schema([column for stage in stages for column in _score(stage).score_columns()])
    sentences = tuple((name, str(error)) for name, error in skipped.items())
    kinds = tuple((name, _lacks(error)) for name, error in skipped.items())
    return Scoring(stages, tuple(_planned(recipe, stages)), sentences, tuple(made.values()), lacking=kinds)


def _lacks(error: CuratorError) -> str:
    """What is missing for a score, in a word or two."""
    if isinstance(error, WeightsNotFoundError):
        return "weights"
    if isinstance(error, MissingExtraError):
        return "a package"
    return "words of yours" if isinstance(error, IncompleteScoreError) else "another embedding"


def _fitting(recipe: Recipe) -> tuple[dict[str, Stage], dict[str, CuratorError]]:
    """Name to stage, and name to what is wrong with those that are left out; what does not fit is refused."""
    entries = recipe.score_entries(score_names())
    _refuse_idle_models(recipe, [name for name, _ in entries])
    _refuse_misfit_heads(recipe, entries)
    made, skipped = _made(recipe, entries)
    embedders = {name: stage for name, stage in made.items() if gives_embeddings(stage)}
    if len(embedders) > 1:
        raise RecipeError(
            f"{' and '.join(embedders)} both give embeddings, and an image has one",
            where=recipe.place("scores"),
            act="leave one of them out",
        )
    embedder = next(iter(embedders.values()), None)
    for index, (name, _) in enumerate(entries):
        if name not in made:
            continue
        error: CuratorError | None
        try:
            made[name] = fitted(made[name], embedder, _runtime(recipe))
            error = misfit(made[name], embedder)
        except (RecipeError, ModelError) as unfit:
            error = unfit
        if error is None:
            continue
        if _is_asked_for(recipe, name):
            error.where = error.where or _place(recipe, index, name)
            raise error
        skipped[name] = error
        del made[name]
    return made, skipped


def _runtime(recipe: Recipe) -> str | None:
    """The runtime that the recipe wants for all models, if it wants one."""
    return None if recipe.inference.runtime == "auto" else recipe.inference.runtime


def stands_on_stored(stages: Collection[Stage]) -> bool:
    """Whether some stages of a scoring need embeddings that none of them makes."""
    return any(map(needs_embeddings, stages)) and not any(map(gives_embeddings, stages))


def in_order(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Cheapest cost class first, in the given order inside a class; but the embedder before all that need embeddings.

    What needs embeddings costs at least what they cost. Of all others the order stays, so that a stage that declares
    nothing sees everything that was named before it in its class.
    """
    costs = classes(stages)
    ordered = [stage for _, stage in sorted(zip(costs, stages, strict=True), key=lambda pair: pair[0])]
    first = next((index for index, stage in enumerate(ordered) if needs_embeddings(stage)), len(ordered))
    embedder = next((index for index, stage in enumerate(ordered) if gives_embeddings(stage)), 0)
    if embedder > first:
        ordered.insert(first, ordered.pop(embedder))
    return tuple(ordered)


def classes(stages: Sequence[Stage]) -> list[Cost]:
    """The cost class of each stage; what needs embeddings costs at least what they cost."""
    least = next((_cost(stage) for stage in stages if gives_embeddings(stage)), Cost.HEADER)
    return [max(_cost(stage), least) if needs_embeddings(stage) else _cost(stage) for stage in stages]


def _cost(stage: Stage) -> Cost:
    cost: Cost = getattr(stage, "cost", Cost.MODEL)
    return cost


def _planned(recipe: Recipe, stages: tuple[Stage, ...]) -> list[PlannedColumn]:
    limits = recipe.limits.model_dump(mode="json")
    planned = [PlannedColumn(RECORDS, None, {"version": READING_VERSION, "limits": limits})]
    options = recipe.decode.as_options()
    facts = [stage_facts(stage, options) for stage in stages]
    embedder = next((index for index, stage in enumerate(stages) if gives_embeddings(stage)), None)
    for index, stage in enumerate(stages):
        needs = stage.needs()
        if embedder is not None and embedder < index and (needs is None or needs.embedding):
            facts[index] |= {"embedding": plain(facts[embedder]), "embedding_rounded_to": STORED_AS}
        planned += [PlannedColumn(column.name, column, facts[index]) for column in _score(stage).score_columns()]
    if embedder is not None:
        planned.append(PlannedColumn(EMBEDDING, None, facts[embedder]))
    return planned


def _made(
    recipe: Recipe, entries: Sequence[tuple[str, dict[str, Any]]]
) -> tuple[dict[str, Stage], dict[str, CuratorError]]:
    """Name to stage, and name to what is wrong with those that nobody asked for by name."""
    made: dict[str, Stage] = {}
    skipped: dict[str, CuratorError] = {}
    for index, (name, parameters) in enumerate(entries):
        try:
            made[name] = _stage(recipe, index, name, parameters)
        except (MissingExtraError, WeightsNotFoundError, IncompleteScoreError) as error:
            if _is_asked_for(recipe, name):
                raise
            if isinstance(error, RecipeError):
                error.where = ""  # nobody wrote it
            skipped[name] = error
    return made, skipped


def _refuse_misfit_heads(recipe: Recipe, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Refuse a head of another embedding before its weights are looked for, which would be in vain.

    Raises:
        RecipeError: There is one.
    """
    found = [declared_embedding(name, parameters) for name, parameters in entries]
    computed = [one for one in found if one]
    if len(computed) != 1:
        return
    for index, (name, parameters) in enumerate(entries):
        error = misfit_of_head(name, parameters, computed[0]) if _is_asked_for(recipe, name) else None
        if error is not None:
            error.where = _place(recipe, index, name)
            raise error


def _is_asked_for(recipe: Recipe, name: str) -> bool:
    """Whether a score stands in the recipe by its name, and not only because `all` means every one."""
    return recipe.scores != "all" or name in recipe.models


def _stage(recipe: Recipe, index: int, name: str, parameters: dict[str, Any]) -> Stage:
    """A score's stage; what is wrong with it is told with the place of the entry."""
    try:
        return make_score_stage(name, parameters)
    except (RecipeError, UnknownModelError) as error:
        error.where = error.where or _place(recipe, index, name)
        raise
    except ModelError as error:  # of how it is to be computed, where no file is at fault
        if not isinstance(error, MissingExtraError | WeightsNotFoundError):
            error.where = error.where or ": ".join(filter(None, (_place(recipe, index, name), f"score {name!r}")))
        raise


def _place(recipe: Recipe, index: int, name: str) -> str:
    """Where a recipe says which model a score has, or else that there is this score."""
    return recipe.place(*(("models", name) if name in recipe.models else ("scores", index)))


def gives(stage: Stage) -> list[str]:
    """Names of the columns that a stage records, and of the embedding if it makes that."""
    return [
        *(column.name for column in _score(stage).score_columns()),
        *([EMBEDDING] if gives_embeddings(stage) else []),
    ]


def _score(stage: Stage) -> ScoreStage:
    return cast("ScoreStage", stage)


def _refuse_idle_models(recipe: Recipe, scores: list[str]) -> None:
    for name in recipe.models:
        if name not in scores:
            raise RecipeError(
                f"models names a model for {name!r}, which is not among the scores",
                where=recipe.place("models", name),
                act=f"add {name!r} to scores, or take it out of models",
            )
