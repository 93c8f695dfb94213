"""One image as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with its words.

    Attributes:
        image_id: Its id, fit to be shown.
        caption: Its caption, fit to be shown and cut to a few lines, or "".
        size: Width and height, or "".
        compared: The score and the threshold that it met, as in `12.3 < 20`, or "".
        picture: The thumbnail as a data URI, or "".
        missing: Why there is no thumbnail, or "".
        shape: (width, height) of the thumbnail in pixels.
        unsafe: Why the thumbnail is blurred until somebody asks to see it, fit to be shown, or "".
        scores: (name, value) of scores, fit to be shown.
        source: The shard or file that it lies in, fit to be shown.
        kind: Its format and length, or "".
        duplicate_of: Id of what it duplicates or shows, fit to be shown, or "".
    """

    image_id: str
    caption: str
    size: str
    compared: str
    picture: str
    missing: str
    shape: tuple[int, int]
    unsafe: str
    scores: tuple[tuple[str, str], ...] = ()
    source: str = ""
    kind: str = ""
    duplicate_of: str = ""

    @property
    def alt(self) -> str:
        """What a reader hears who cannot see the picture."""
        return self.caption or f"Image {self.image_id}, without a caption"
