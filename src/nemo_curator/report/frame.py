"""How a page comes to its reader, a file or an answer of a server: what differs between the two beside the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from nemo_curator.report.content import Page
from nemo_curator.report.sensitive import UNSURE

STYLES = ("base", "funnel", "pictures", "gallery", "scores", "pairs", "run", "viewer")
"""Style sheets of every page, in order, below `style/`."""

SERVED_STYLES = ("deciding",)
"""Those that a served page has besides."""

COMMON = ("words", "store")
"""Scripts that every page begins with, in order, below `script/`: each has one idea, and sees those before it."""

SHOWING = (
    *("pictures", "viewer", "gallery", "theme"),
    *("histogram", "explorer", "cloud", "joint", "map", "pairs"),
)
"""Scripts that show what the store gives."""

EMBEDDED = (*COMMON, "embedded", *SHOWING, "start")
"""Scripts of a page that is one file."""

SERVED = (*COMMON, "asking", "served", *SHOWING, "quarantine", "deciding", "start")
"""Scripts of a page that is served."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is around the data.

    Attributes:
        pictured: How many images can be looked at.
        sensitive: Whether a picture among them may be blurred.
        alike: How many groups of duplicates can be looked at.
        served: Whether a server answers; if not, the page is one file.
        writes: Whether the recipe can be changed from the page.
    """

    pictured: int
    sensitive: bool
    alike: int
    served: bool = False
    writes: bool = False

    @classmethod
    def embedded(cls, page: Page) -> Self:
        """That of a page which is one file."""
        sensitive = any(one.unsafe for one in page.figures.values())
        return cls(len(page.figures), sensitive, len(page.alike))

    @property
    def unsure(self) -> float:
        """Score from which on pictures are blurred."""
        return UNSURE

    @property
    def styles(self) -> tuple[str, ...]:
        """Its style sheets."""
        return (*STYLES, *SERVED_STYLES) if self.served else STYLES

    @property
    def scripts(self) -> tuple[str, ...]:
        """Its scripts."""
        return SERVED if self.served else EMBEDDED

    def policy(self, style_hash: str, script_hash: str) -> str:
        """Its content security policy: one script, one style sheet, and nothing from elsewhere.

        Args:
            style_hash: Of the style sheet, as a policy names it.
            script_hash: Of the script.
        """
        sources = "img-src 'self' data:; connect-src 'self'" if self.served else "img-src data:"
        return (
            f"default-src 'none'; {sources}; style-src '{style_hash}'; script-src '{script_hash}'; base-uri 'none'; "
            "form-action 'none'; require-trusted-types-for 'script'"
        )
