"""What the page is told when it asks: plain data for JSON, text fit to be shown. Nothing here knows HTTP."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from nemo_curator.report.data import figure_data
from nemo_curator.report.development import UNSHOWN
from nemo_curator.report.figures import Gallery
from nemo_curator.report.samples import Row
from nemo_curator.report.serving.orders import Wanted
from nemo_curator.report.serving.pictures import fits
from nemo_curator.report.serving.questions import Page
from nemo_curator.report.serving.standing import Standing
from nemo_curator.report.serving.tables import Order
from nemo_curator.report.thumbnails import Thumbnail
from nemo_curator.report.words import distance_words, duplicate_words, shown, shown_id

_CAPTION = 400
_MEMBERS = 8  # duplicates of one group that are shown


def count(standing: Standing, axis: int, value: float) -> dict[str, int]:
    """How many values of an axis are smaller than a number, and how many are not larger; the same of kept images."""
    split = standing.ladder(axis).split(value)
    return {"below": split.below, "upto": split.upto, "keptBelow": split.kept_below, "keptUpto": split.kept_upto}


def near(standing: Standing, axis: int, value: float, most: int) -> dict[str, Any]:
    """The images just below a number, and at it or just above, the nearest first."""
    below, above = standing.ladder(axis).near(value, most)
    known = _images(standing, [*below, *above])
    return {"below": [known[one] for one in below], "above": [known[one] for one in above]}


def images(standing: Standing, wanted: Wanted, page: Page) -> dict[str, Any]:
    """A piece of what a gallery goes through, and how many images that are altogether."""
    positions = standing.wanted(wanted)
    places = [int(one) for one in positions[page.offset : page.offset + page.limit]]
    known = _images(standing, places)
    return {"here": len(positions), "total": len(positions), "images": [known[one] for one in places]}


def image(standing: Standing, position: int) -> dict[str, Any]:
    """One image; its position is that of a readable input."""
    return _images(standing, [position])[position]


def alike(standing: Standing, order: Order, page: Page) -> dict[str, Any]:
    """Some groups of duplicates, each with the image that stays."""
    groups = standing.groups(order, page.offset, page.limit, _MEMBERS)
    places = [one["position"] for one in groups if one["position"] is not None]
    places += [position for one in groups for position, _, _ in one["members"]]
    known = _images(standing, places)
    return {
        "total": standing.group_count,
        "groups": [
            {
                "kept": None if one["position"] is None else known[one["position"]],
                "keptId": shown_id(one["kept"]),
                "size": one["size"],
                "removed": [
                    {
                        "image": known[at],
                        "how": duplicate_words(rule or ""),
                        "distance": distance_words(rule or "", score),
                    }
                    for at, rule, score in one["members"]
                ],
            }
            for one in groups
        ],
    }


def leaks(standing: Standing, page: Page) -> dict[str, Any]:
    """Some images that show a protected one, each beside it."""
    listed = list(enumerate(standing.leaks))[page.offset : page.offset + page.limit]
    known = _images(standing, [one["position"] for _, one in listed])
    return {
        "total": len(standing.leaks),
        "listed": [
            {
                "image": known[one["position"]],
                "protectedId": shown_id(one["end"].image_id),
                "how": duplicate_words(one["end"].kind),
                "distance": distance_words(one["end"].kind, one["end"].distance),
                "others": one["others"],
                "figure": None if one["protected"] is None else _protected(at, one["protected"]),
            }
            for at, one in listed
        ],
    }


def unusable(standing: Standing, reason: int, page: Page) -> dict[str, Any]:
    """Some inputs that could not be used for a reason."""
    rows = standing.unusable(standing.codes[reason], page.offset, page.limit)
    return {
        "inputs": [
            {
                "id": shown_id(row["image_id"]),
                "source": shown_id(row["source"] or ""),
                "detail": shown(row["error_detail"] or "", 300),
            }
            for row in rows
        ]
    }


def shown_reason(why: str) -> str:
    """Why there is no picture, fit to be shown."""
    return shown(why, 160)


def _images(standing: Standing, places: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Position to what the page knows of an image."""
    rows = standing.rows(sorted(set(places)))
    rules, texts = standing.ground.facts.rules, standing.ground.found.texts
    thumbnails = {
        place: Thumbnail(missing=UNSHOWN if row["__group"] in standing.unshown else "", shape=_shape(row))
        for place, row in rows.items()
    }
    gallery = Gallery(rows, rows, rules, texts, thumbnails, _CAPTION)
    found = {}
    for place, row in rows.items():
        facts = {"row": place, "at": place, "group": row["__group"], "numbers": _numbers(row["numbers"])}
        found[place] = figure_data(gallery.figure(place)) | facts | {"id": shown_id(row["image_id"])}
    return found


def _protected(at: int, row: Row) -> dict[str, Any]:
    """What the page knows of a protected image; `protected` is its number in the list of leaks."""
    thumbnail = Thumbnail(shape=_shape(row))
    return figure_data(Gallery({0: row}, {}, {}, (), {0: thumbnail}, _CAPTION).figure(0)) | {"protected": at}


def _shape(row: Mapping[str, Any]) -> tuple[int, int]:
    return fits((row.get("width") or 0, row.get("height") or 0), "small")


def _numbers(values: Iterable[float | None]) -> list[float | str | None]:
    """Numbers; None for what is none, and infinity, of which JSON knows nothing, as the word that JavaScript reads."""
    return [
        None if one is None or math.isnan(one) else one if math.isfinite(one) else f"{'-' * (one < 0)}Infinity"
        for one in values
    ]
