"""Search by looking: the images of a run that are nearest to a picture or to words, by their stored embeddings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.cores import usable_cores
from nemo_curator.errors import IncompleteRunError
from nemo_curator.models.tokenizers.clip_tokenizer import LENGTH, ClipTokenizer
from nemo_curator.pipeline.embedder import Embedder, embedder_of
from nemo_curator.pipeline.export import decided_state
from nemo_curator.pipeline.query import embed_image, embed_text
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.lookup import find_rows
from nemo_curator.runs.partitions import Locations
from nemo_curator.runs.parts import damaged
from nemo_curator.runs.ranking import Found, Ranking, Target, rank
from nemo_curator.runs.readable_verdicts import rows_at, unfit
from nemo_curator.runs.state import RunState


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for: a picture or words.

    Attributes:
        image: Path or URL of an image file, or "".
        text: Words, or "".
        top: Images to give at most.
        verdict: The verdict that they must have; "" for any, decided or not.
        model_dir: The user's model directory; the one of the run's recipe by default.
    """

    image: str = ""
    text: str = ""
    top: int = 20
    verdict: str = ""
    model_dir: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One image that was found.

    Attributes:
        cosine: Of its embedding to that of what is looked for, -1 to 1.
        image_id: Its id.
        verdict: Its verdict; None where the run is not decided.
        rule: The rule behind it, or None.
        location: What opens its shard or file; "" where nobody knows.
        file: Its name in the shard; "" for a file of its own.
        row: Its row of the part.
        decision: Its row of the decisions, or None.
    """

    cosine: float
    image_id: str
    verdict: str | None
    rule: str | None
    location: str
    file: str
    row: Mapping[str, Any]
    decision: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Hits:
    """The answer.

    Attributes:
        sought: What was looked for.
        model: Name of the model whose embeddings were compared, or "".
        searched: Images that were looked at.
        hits: The nearest, nearest first; ties by `image_id`.
        notes: What a user should know, in sentences.
    """

    sought: Sought
    model: str
    searched: int
    hits: tuple[Hit, ...]
    notes: tuple[str, ...]


def search(run: RunDirectory, sought: Sought, progress: Callable[[int, int], None] = lambda *_: None) -> Hits:
    """Rank the images of a run; nothing is written, and the run may be at work.

    Args:
        run: A run with embeddings, decided or not.
        sought: What to look for.
        progress: Called with (partitions looked at, of how many).

    Raises:
        MissingRunError: There is no run.
        IncompleteRunError: It has no embeddings yet, or a verdict is asked for before a decision.
        InputError: The file cannot be searched by, or embeddings are damaged.
        ModelError: The model cannot be used, has no text tower, or is not the one that embedded the run.
    """
    state = RunState.require(run)
    if sought.verdict:
        decided_state(run)
    embedder = embedder_of(state, sought.model_dir)
    if not storage.exists(run.partitions):
        raise _nothing(run)
    locations = Locations(run)
    query = embed_image(embedder, sought.image) if sought.image else embed_text(embedder, sought.text, sought.model_dir)
    target = Target(run, locations.ids, state.fingerprints[EMBEDDING], sought.verdict)
    ranking = rank(target, query, count=sought.top, threads=usable_cores(), progress=progress)
    if not ranking.searched and ranking.left_out:
        raise _nothing(run)
    hits = _hits(run, ranking.found, locations, decided=_is_decided(state))
    notes = tuple(_notes(sought, embedder, ranking, len(locations.ids)))
    return Hits(sought, embedder.model, ranking.searched, hits, notes)


def _hits(run: RunDirectory, found: Sequence[Found], locations: Locations, *, decided: bool) -> tuple[Hit, ...]:
    rows = _part_rows(run, found)
    decisions = rows_at(run, [one.place for one in found]) if decided else {}
    hits = []
    for one in found:
        row, decision = rows[one.image_id], decisions.get(one.place)
        if decided and (decision is None or decision["image_id"] != one.image_id):
            raise unfit(run, f"the row of {one.image_id!r} is not where its embedding is")
        member = row["members"][row["primary"]]["name"] if 0 <= row["primary"] < len(row["members"]) else ""
        hits.append(
            Hit(
                cosine=one.cosine,
                image_id=one.image_id,
                verdict=decision["verdict"] if decision else None,
                rule=decision["rule"] if decision else None,
                location=locations.of(one.partition_id, [row["source"]]).get(row["source"], ""),
                file="" if member == row["source"] else member,
                row=row,
                decision=decision,
            )
        )
    return tuple(hits)


def _part_rows(run: RunDirectory, found: Sequence[Found]) -> dict[str, dict[str, Any]]:
    """Image id to row of the part."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for one in found:
        wanted[one.partition_id].append(one.image_id)
    rows: dict[str, dict[str, Any]] = {}
    for partition_id, ids in wanted.items():
        url = run.part(partition_id)
        try:
            there = find_rows(url, ids)
        except (OSError, ValueError, LookupError, pa.ArrowException) as error:
            raise damaged(url, " ".join(str(error).split())) from None
        missing = next((one for one in ids if one not in there), None)
        if missing is not None:
            raise damaged(url, f"the row of {missing!r} is missing, which has an embedding")
        rows |= there
    return rows


def _is_decided(state: RunState) -> bool:
    return "funnel" in state.facts and storage.exists(state.run.decisions)


def _notes(sought: Sought, embedder: Embedder, ranking: Ranking, partitions: int) -> Iterator[str]:
    yield from embedder.notes
    if sought.text and not ClipTokenizer().fits(sought.text):  # the tokenizer of every text tower that there is
        yield (
            f"the text is longer than the {LENGTH - 2} tokens (words and parts of words) that {embedder.model} reads; "
            "what stands behind them does not count"
        )
    if ranking.left_out:
        yield (
            f"{len(ranking.left_out):,} of {partitions:,} partitions were not searched: they are not scored yet, or "
            "their embeddings are damaged or of another model (`imagecurator status RUN` counts them)"
        )


def _nothing(run: RunDirectory) -> IncompleteRunError:
    return IncompleteRunError(
        "no embedding is stored here yet",
        where=run.root,
        act="finish scoring with `imagecurator score INPUT RUN`, or `run`",
    )
