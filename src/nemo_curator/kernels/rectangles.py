"""Rectangles that need not lie level: the smallest around points, and how much of a picture they cover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle; x grows to the right and y down, in pixels.

    Attributes:
        x: Its centre.
        y: Its centre.
        along: Unit vector (x, y) of one of its directions; the other is that turned by a right angle.
        half: Half its length along that direction, and half its length across it.
    """

    x: float
    y: float
    along: tuple[float, float]
    half: tuple[float, float]

    @property
    def shorter(self) -> float:
        """Length of the shorter side."""
        return 2 * min(self.half)

    def grown(self, distance: float) -> Rectangle:
        """The rectangle whose sides lie `distance` further out."""
        return Rectangle(self.x, self.y, self.along, (self.half[0] + distance, self.half[1] + distance))

    def moved(self, distance: float) -> Rectangle:
        """The rectangle moved by `distance` to the right and down."""
        return Rectangle(self.x + distance, self.y + distance, self.along, self.half)

    def corners(self) -> Points:
        """`(4, 2)` x, y of the corners, in order around it."""
        (u, v), (a, b) = self.along, self.half
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        return np.array([(self.x + s * a * u - t * b * v, self.y + s * a * v + t * b * u) for s, t in signs])


def smallest_rectangle(points: npt.NDArray[np.int64]) -> Rectangle:
    """The rectangle of the least area around points; one side of it lies on their hull (Freeman and Shapira, 1975).

    Args:
        points: `(N, 2)` x, y, at least one.
    """
    hull = np.array(_hull(sorted(set(map(tuple, points.tolist())))), np.float64)
    sides = np.roll(hull, -1, axis=0) - hull
    lengths = np.sqrt(sides[:, 0] ** 2 + sides[:, 1] ** 2)
    if len(hull) == 1:
        return Rectangle(float(hull[0, 0]), float(hull[0, 1]), (1.0, 0.0), (0.0, 0.0))
    along, across = sides[:, 0] / lengths, sides[:, 1] / lengths
    # every corner of the hull seen along every side
    u = hull[:, :1] * along + hull[:, 1:] * across
    v = hull[:, 1:] * along - hull[:, :1] * across
    low_u, high_u, low_v, high_v = u.min(axis=0), u.max(axis=0), v.min(axis=0), v.max(axis=0)
    best = int(np.argmin((high_u - low_u) * (high_v - low_v)))
    x, y = float(along[best]), float(across[best])
    middle_u = float(low_u[best] + high_u[best]) / 2
    middle_v = float(low_v[best] + high_v[best]) / 2
    half = float(high_u[best] - low_u[best]) / 2, float(high_v[best] - low_v[best]) / 2
    return Rectangle(middle_u * x - middle_v * y, middle_u * y + middle_v * x, (x, y), half)


def _hull(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The convex hull of sorted points (Andrew, 1979), without those on its straight sides."""
    if len(points) < 3:
        return points
    halves: list[list[tuple[int, int]]] = []
    for way in (points, points[::-1]):
        half: list[tuple[int, int]] = []
        for point in way:
            while len(half) > 1 and _turn(half[-2], half[-1], point) <= 0:
                half.pop()
            half.append(point)
        halves.append(half)
    return halves[0][:-1] + halves[1][:-1]


def _turn(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> int:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def inside(
    corners: Points, rows: tuple[int, int], columns: tuple[int, int], slack: float = 0.0
) -> npt.NDArray[np.bool_]:
    """Which pixels of a window have their centre inside a convex polygon.

    Args:
        corners: `(K, 2)` x, y in order around it; pixel (0, 0) has its centre at (0.5, 0.5).
        rows: First row of the window, and the one after the last.
        columns: First column of the window, and the one after the last.
        slack: Pixels by which a centre may lie outside.

    Returns:
        `(rows, columns)` bool.
    """
    y = np.arange(*rows)[:, None] + 0.5
    x = np.arange(*columns)[None, :] + 0.5
    found = np.ones((y.shape[0], x.shape[1]), np.bool_)
    turned = 1.0 if signed_area(corners) >= 0 else -1.0
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2))
        found &= ((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) * turned >= -slack * length
    return found


def window(corners: Points, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(rows, columns) of the pixels of a picture that a polygon may touch, each as first and one after the last."""
    low = np.floor(corners.min(axis=0)).astype(int)
    high = np.ceil(corners.max(axis=0)).astype(int) + 1
    return (
        (max(0, int(low[1])), max(0, min(height, int(high[1])))),
        (max(0, int(low[0])), max(0, min(width, int(high[0])))),
    )


def covered_share(polygons: Points, height: int, width: int) -> float:
    """Share of a picture's pixels whose centre lies in at least one of the polygons `(N, K, 2)`."""
    covered = np.zeros((height, width), np.bool_)
    for corners in polygons:
        rows, columns = window(corners, height, width)
        covered[slice(*rows), slice(*columns)] |= inside(corners, rows, columns)
    return int(np.count_nonzero(covered)) / (height * width)


def share_of_picture(corners: Points, height: int, width: int) -> float:
    """Area of the part of a convex polygon `(K, 2)` that lies in the picture, divided by the picture's area."""
    polygon = [(float(x), float(y)) for x, y in corners]
    for axis, limit, sign in ((0, 0.0, 1), (0, float(width), -1), (1, 0.0, 1), (1, float(height), -1)):
        polygon = _clipped(polygon, axis, limit, sign)
    if len(polygon) < 3:
        return 0.0
    return min(1.0, abs(signed_area(np.array(polygon))) / (height * width))


def _clipped(polygon: list[tuple[float, float]], axis: int, limit: float, sign: int) -> list[tuple[float, float]]:
    """The part of a polygon on one side of a line that is level or upright (Sutherland and Hodgman, 1974)."""
    kept: list[tuple[float, float]] = []
    for one, two in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        before, after = sign * (one[axis] - limit), sign * (two[axis] - limit)
        if before >= 0:
            kept.append(one)
        if (before < 0) != (after < 0):
            part = before / (before - after)
            kept.append((one[0] + part * (two[0] - one[0]), one[1] + part * (two[1] - one[1])))
    return kept


def signed_area(corners: Points) -> float:
    """Area of a polygon `(K, 2)`; positive where its corners go round clockwise as seen (y grows down)."""
    x, y = corners[:, 0], corners[:, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
