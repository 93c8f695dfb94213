"""The served page and everything that it may ask for: paths to answers, without sockets.

`_now` is replaced whole by the main thread, and each request takes it once; what it holds says itself who may touch it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Protocol

from nemo_curator.errors import InputError
from nemo_curator.report.data import page_data
from nemo_curator.report.development import UNSHOWN
from nemo_curator.report.frame import Frame
from nemo_curator.report.page import framed, policy_of
from nemo_curator.report.sensitive import sensitive_columns
from nemo_curator.report.serving import answers
from nemo_curator.report.serving.access import JSON
from nemo_curator.report.serving.jobs import Job, Jobs, Kind
from nemo_curator.report.serving.pictures import Pictures, Size
from nemo_curator.report.serving.questions import Query, edition_of, rules_of
from nemo_curator.report.serving.refusal import RefusedError
from nemo_curator.report.serving.standing import Standing
from nemo_curator.report.thumbnails import Developed
from nemo_curator.runs.deciding import Funnel
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import read_facts

_MOST_NEAR = 24
_MINUTES = "private, max-age=600"  # a picture of one edition does not change


class Decide(Protocol):
    """Decides the run by its recipe with other rules, holding its lock where it writes."""

    def __call__(self, rules: Mapping[str, str], *, write: bool) -> Funnel:
        """The funnel.

        Args:
            rules: Name to expression, in order, in the place of all rules of the recipe.
            write: Whether the verdicts are written and the recipe is put in force; if not, they are only counted.

        Raises:
            CuratorError: It cannot be decided.
        """


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes out.

    Attributes:
        body: The bytes.
        kind: Their type.
        status: Of HTTP.
        headers: Further headers.
    """

    body: bytes
    kind: str = JSON
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Any, status: HTTPStatus = HTTPStatus.OK) -> Answer:
        """Plain data."""
        return cls(json.dumps(data, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"), status=status)


@dataclass(frozen=True, slots=True)
class _Now:
    """What is served at this moment."""

    standing: Standing
    pictures: Pictures
    page: bytes
    since: int  # the edition from which on a position means the same image

    @property
    def layout(self) -> tuple[list[str], list[int]]:
        """What a position means: the partitions, and where each begins."""
        return list(self.standing.ground.partitions.ids), [int(one) for one in self.standing.ground.found.starts]

    def close(self) -> None:
        self.standing.close()
        self.pictures.close()


class Service:
    """Serves one run. Answers any thread; `do` and `close` belong to the main one.

    Args:
        run: The run; it is decided.
        decide: Decides it; None where the page may not even try.
        writes: Whether the page may change the recipe.
        token: What the page's script sends with changes.
        edition: Number of the first edition; of each server another one, because a browser keeps pictures by it.

    Attributes:
        jobs: What the page asked for.
        policy: Content security policy of the page.

    Raises:
        CuratorError: The run cannot be read: see `Standing`.
    """

    def __init__(self, run: RunDirectory, decide: Decide, *, writes: bool, token: str, edition: int) -> None:
        self._run = run
        self._decide = decide
        self._writes = writes
        self._token = token
        self.jobs = Jobs()
        self._now = self._read(edition)
        self.policy = policy_of(self._frame(self._now.standing))
        self._gets: dict[str, Callable[[_Now, Query], Answer]] = {
            "/picture": self._picture,
            "/api/state": self._state,
            "/api/job": lambda _, query: Answer.of(self.jobs.told(query.whole("number", 1, 10**12))),
            "/api/count": self._count,
            "/api/near": self._near,
            "/api/images": self._images,
            "/api/image": lambda now, query: Answer.of(answers.image(now.standing, _position(now, query))),
            "/api/alike": lambda now, query: Answer.of(answers.alike(now.standing, query.order(), query.page(24))),
            "/api/leaks": lambda now, query: Answer.of(answers.leaks(now.standing, query.page(24))),
            "/api/unusable": self._unusable,
        }

    def close(self) -> None:
        """Let everything go."""
        self._now.close()

    def get(self, path: str, query: str) -> Answer:
        """Answer a question.

        Raises:
            RefusedError: It cannot be answered.
        """
        now = self._now
        if path == "/":
            return Answer(now.page, "text/html; charset=utf-8")
        if path not in self._gets:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
        asked = Query(query)
        if path not in {"/api/job", "/api/state"}:
            # a page that is about to be loaded anew may still show its pictures
            since = now.since if path == "/picture" else now.standing.edition
            _check_edition(now, asked.whole("edition", 0, 10**12), since)
        return self._gets[path](now, asked)

    def post(self, path: str, body: bytes) -> Answer:
        """Begin something.

        Raises:
            RefusedError: It cannot be begun.
        """
        kinds: dict[str, Kind] = {"/api/try": "try", "/api/decide": "decide", "/api/renew": "renew"}
        kind = kinds.get(path)
        if kind is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
        if kind == "decide" and not self._writes:
            raise RefusedError(
                HTTPStatus.FORBIDDEN, "this page was opened with --read-only: nothing is written from it"
            )
        edition, rules = (edition_of(body), None) if kind == "renew" else rules_of(body)
        _check_edition(self._now, edition)
        return Answer.of(self.jobs.ask(kind, rules).told, HTTPStatus.ACCEPTED)

    def do(self, job: Job) -> dict[str, Any]:
        """Do what was asked for.

        Raises:
            CuratorError: It cannot be done.
        """
        if job.kind == "try":
            funnel = self._decide(job.rules, write=False)
            return {"steps": _steps(funnel), "warnings": [one.text for one in funnel.warnings]}
        if job.kind == "decide":
            if self._now.standing.outdated:
                raise InputError(
                    "another command has decided the run meanwhile, and these rules would take its place",
                    act="load the page again, and change the rules that are in force now",
                )
            self._decide(job.rules, write=True)
        before, self._now = self._now, self._read(self._now.standing.edition + 1, self._now)
        before.close()
        return {"edition": self._now.standing.edition}

    def _read(self, edition: int, before: _Now | None = None) -> _Now:
        standing = Standing(self._run, edition)
        ground = standing.ground
        pictures = Pictures(self._run, ground.partitions, ground.found.starts, ground.facts.image_seconds)
        html = framed(standing.page, self._frame(standing), self._data(standing))
        now = _Now(standing, pictures, html.encode("utf-8", "replace"), edition)
        return now if before is None or before.layout != now.layout else replace(now, since=before.since)

    def _frame(self, standing: Standing) -> Frame:
        data = page_data(standing.page)
        sensitive = any(one["sensitive"] for one in data["groups"]) or bool(
            sensitive_columns(standing.ground.found.numbers)
        )
        return Frame(standing.page.readable, sensitive, standing.group_count, served=True, writes=self._writes)

    def _data(self, standing: Standing) -> dict[str, Any]:
        """What the page's script is given: what is known at once, and how to ask for more."""
        facts = read_facts(self._run) or {}
        served = {
            "edition": standing.edition,
            "token": self._token,
            "writes": self._writes,
            "rules": [[name, text] for name, text in standing.ground.facts.rules.items()],
            "steps": _steps(Funnel.of(facts.get("funnel") or {})),
        }
        return page_data(standing.page) | {"served": served}

    def _state(self, now: _Now, _query: Query) -> Answer:
        return Answer.of({"edition": now.standing.edition, "outdated": now.standing.outdated})

    def _count(self, now: _Now, query: Query) -> Answer:
        return Answer.of(answers.count(now.standing, _axis(now, query), query.number("value")))

    def _near(self, now: _Now, query: Query) -> Answer:
        most = query.whole("most", 1, _MOST_NEAR, 6)
        return Answer.of(answers.near(now.standing, _axis(now, query), query.number("value"), most))

    def _images(self, now: _Now, query: Query) -> Answer:
        wanted = query.wanted(len(now.standing.page.groups), len(now.standing.ground.axes))
        return Answer.of(answers.images(now.standing, wanted, query.page()))

    def _unusable(self, now: _Now, query: Query) -> Answer:
        reason = query.whole("reason", 0, len(now.standing.codes) - 1)
        return Answer.of(answers.unusable(now.standing, reason, query.page()))

    def _picture(self, now: _Now, query: Query) -> Answer:
        size: Size = "large" if query.text("size") == "large" else "small"
        if query.text("protected"):
            row = now.standing.leaks[query.whole("protected", 0, len(now.standing.leaks) - 1)]["protected"]
            made = Developed(missing="it cannot be found") if row is None else now.pictures.of_row(row, size)
        else:
            position = _position(now, query)
            known = int(now.standing.ground.verdicts.numbers[position]) in now.standing.unshown
            made = Developed(missing=UNSHOWN) if known else now.pictures.of(position, size)
        if not made.data:
            return Answer.of({"missing": answers.shown_reason(made.missing)}, HTTPStatus.NOT_FOUND)
        return Answer(made.data, "image/jpeg", headers={"Cache-Control": _MINUTES})


def _check_edition(now: _Now, edition: int, since: int | None = None) -> None:
    newest = now.standing.edition
    if not (newest if since is None else since) <= edition <= newest:
        raise RefusedError(HTTPStatus.CONFLICT, "the run was decided anew: load the page again")


def _axis(now: _Now, query: Query) -> int:
    return query.whole("axis", 0, len(now.standing.ground.axes) - 1)


def _position(now: _Now, query: Query) -> int:
    position = query.whole("at", 0, 10**15)
    if not now.standing.is_readable(position):
        raise RefusedError(HTTPStatus.NOT_FOUND, "the run has no such image")
    return position


def _steps(funnel: Funnel) -> list[tuple[str, str, int]]:
    """Kind, name and number of every step of a funnel, in order."""
    return [
        ("inputs", "inputs", funnel.inputs),
        *(("quarantine", code, number) for code, number in funnel.quarantined.items()),
        *(("reject", name, number) for name, number in funnel.rejected.items()),
        ("duplicate", "duplicates", funnel.duplicates),
        ("keep", "kept", funnel.kept),
    ]
