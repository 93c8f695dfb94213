"""How to decide: rules, duplicates, lists, a sample, a split. Plain frozen values; nothing here looks at a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nemo_curator.errors import RecipeError
from nemo_curator.kernels.hamming import FARTHEST
from nemo_curator.runs.deciding.computed import CAPTION_FREQUENCY
from nemo_curator.runs.deciding.id_lists import IdList
from nemo_curator.runs.deciding.metadata_keys import key_of
from nemo_curator.runs.deciding.rules import DUPLICATE_RULES, RESERVED, Rule
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.shards.hash_lists import KINDS, HashList


@dataclass(frozen=True, slots=True)
class Sample:
    """A seeded subset of what rules and duplicates leave; a larger one of the same seed contains the smaller.

    Attributes:
        n: Images to keep; or None, with `share` given.
        share: Share of the images to keep, 0 to 1; or None, with `n` given.
        seed: Another seed draws other images.
        by: Column, or key of the metadata, each of whose values keeps its share of the subset, or None.

    Raises:
        RecipeError: Not exactly one of `n` and `share` is given, or it is out of range.
    """

    n: int | None = None
    share: float | None = None
    seed: int = 0
    by: str | None = None

    def __post_init__(self) -> None:
        if (self.n is None) == (self.share is None):
            raise RecipeError("give one of n and share", where="sample")
        if (self.n or 0) < 0 or not 0 <= (self.share or 0) <= 1:
            raise RecipeError("n is 0 or more, and share from 0 to 1", where="sample")
        object.__setattr__(self, "by", _reference(self.by))


@dataclass(frozen=True, slots=True)
class Split:
    """Named shares that the kept images are divided into.

    Attributes:
        shares: (name, share) in order; shares are relative, so that 0.95 and 0.05 mean what 19 and 1 mean.
        seed: Another seed divides in another way.
        by: Column, or key of the metadata; images that are equal in it are on one side. None: the hash of the bytes.

    Raises:
        RecipeError: A share is below 0 or not finite, or none is above 0; `by` is what changes as a data set grows.
    """

    shares: tuple[tuple[str, float], ...]
    seed: int = 0
    by: str | None = None

    def __post_init__(self) -> None:
        sizes = [share for _, share in self.shares]
        if not any(sizes) or not all(0 <= share < math.inf for share in sizes):
            raise RecipeError("shares are numbers of 0 or more, and one is above 0", where="split")
        if self.by == CAPTION_FREQUENCY:
            raise RecipeError(
                f"{self.by} may not divide: it changes when the input grows, and a side must not",
                where="split: by",
                act="name the caption itself, as in `by: caption`",
            )
        object.__setattr__(self, "by", _reference(self.by))


def _reference(by: str | None) -> str | None:
    """A key of the metadata in its one form; whatever else as it is."""
    key = key_of(by) if by else None
    return key.written if key else by


@dataclass(frozen=True, slots=True)
class KnownBad:
    """Lists of hashes of images that are never kept.

    Attributes:
        lists: The lists in order; the first that has an image names the reason.
        distance: Bits in which a PDQ hash may differ from a listed one, 0 to 31.
        min_quality: PDQ quality below which only equal bytes are looked for, 0 to 100.

    Raises:
        RecipeError: Two lists have one name, or one has a name that decisions use themselves; or a number is out of
            its range.
    """

    lists: tuple[HashList, ...]
    distance: int = FARTHEST
    min_quality: int = 0

    def __post_init__(self) -> None:
        names = [one.name for one in self.lists]
        for one in self.lists:
            if one.name in RESERVED or not one.name.strip():
                raise RecipeError(f"{one.name!r} is no name for a list", where=one.where, act="rename it")
            if names.count(one.name) > 1:
                raise RecipeError(f"two lists are called {one.name!r}", where=one.where, act="rename one")
        if not 0 <= self.distance <= FARTHEST or not 0 <= self.min_quality <= 100:
            raise RecipeError(f"distance is 0 to {FARTHEST} and min_quality 0 to 100", where="known_bad")

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of hashes that the lists have: `md5`, `sha256`, `pdq`."""
        return frozenset(kind for kind in KINDS for one in self.lists if len(getattr(one, kind)))

    @property
    def columns(self) -> frozenset[str]:
        """Scores that they are compared with."""
        near = ("pdq", "pdq_quality") if "pdq" in self.kinds else ()
        return frozenset([*near, *(["md5"] if "md5" in self.kinds else [])])


@dataclass(frozen=True, slots=True)
class Copies:
    """Which images are copies of each other, by their PDQ hashes.

    Attributes:
        distance: Bits in which two hashes may differ, 0 to `MOST_BITS`.
        min_quality: PDQ quality below which an image has no copies, 0 to 100.
        turned: Whether a picture that is turned or flipped is a copy too.

    Raises:
        RecipeError: A number is out of its range.
    """

    distance: int = FARTHEST
    min_quality: int = 0
    turned: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.distance <= MOST_BITS or not 0 <= self.min_quality <= 100:
            raise RecipeError(f"distance is 0 to {MOST_BITS} and min_quality 0 to 100", where="duplicates.copies")


MOST_BITS = 63
"""The largest distance between copies: by chance, one pair of 10¹⁵ pictures is nearer."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Which images are duplicates beside those of equal bytes.

    Attributes:
        pixels: Whether images with equal pixels are.
        copies: Which are by their PDQ hashes, or None for none.
        similar: The largest 1 - cosine of embeddings that makes two images duplicates, or None.
        finer: Whether of equally preferred images the one of higher PDQ quality stays, then the one of more bytes.

    Raises:
        RecipeError: A number is out of its range.
    """

    pixels: bool = False
    copies: Copies | None = None
    similar: float | None = None
    finer: bool = True

    def __post_init__(self) -> None:
        if self.similar is not None and not 0 <= self.similar <= 1:
            raise RecipeError("eps is 0 to 1", where="duplicates.similar")

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """Columns that there must be, by the key of the recipe that wants them and the score that gives them."""
        wanted: dict[str, tuple[str, ...]] = {}
        if self.pixels:
            wanted["duplicates.pixels"] = ("pixels", "pixels_sha256")
        if self.copies:
            wanted["duplicates.copies"] = ("hashes", "pdq", "pdq_quality")
            if self.copies.turned:
                wanted["duplicates.copies.turned"] = ("turned_hashes", "pdq_turned")
        return wanted


@dataclass(frozen=True, slots=True)
class Skipped:
    """Columns that a lazy scoring left out for some images.

    Attributes:
        columns: The columns, which are missing together; `embedding` for the embeddings.
        rules: Rules of one row; where one of them was true, the columns were left out.
        allow: Hash of the list of images that were computed all the same, or "".
        certain: Whether the columns that the rules read are those that they were asked about. If not, whatever has no
            value may have been left out.
    """

    columns: frozenset[str]
    rules: tuple[Rule, ...]
    allow: str = ""
    certain: bool = True

    @property
    def read(self) -> frozenset[str]:
        """Every column that tells for which images they were left out."""
        return (self.columns - {EMBEDDING}).union(*(rule.columns for rule in self.rules))


@dataclass(frozen=True, slots=True)
class Policy:
    """How to decide.

    Attributes:
        rules: Rules in order; the first that matches rejects.
        duplicate_bytes: Whether images with equal encoded bytes are duplicates.
        prefer: An expression; of duplicates the image where it is largest stays, then the one with the smaller id.
        allow: Images that no rule rejects, and that stay when they have duplicates.
        deny: Images that are rejected, even if `allow` names them.
        sample: A subset of what is left, or None for all.
        split: How to divide what is kept, or None.
        known_bad: Lists of hashes of images that are rejected before anything else is asked, even if `allow` names
            them; or None.
        alike: What makes duplicates beside equal bytes; None where nothing does.
        within: Whether images of the run duplicate each other; if not, they are compared with those of elsewhere alone.
        protect: Names of protect sets. An image that shows one of theirs is rejected, whatever else is said of it but
            that it is known; equal bytes always count.
        against: Names of earlier runs. An image that one which they kept stands for is a duplicate.
        skipped: What the scoring left out. It must have no say in the verdicts, and `decide` makes sure of that.

    Raises:
        RecipeError: A list and a rule have one name; or there are earlier runs, and nothing makes duplicates.
    """

    rules: tuple[Rule, ...] = ()
    duplicate_bytes: bool = True
    prefer: Rule | None = None
    allow: IdList | None = None
    deny: IdList | None = None
    sample: Sample | None = None
    split: Split | None = None
    known_bad: KnownBad | None = None
    alike: Alike | None = None
    within: bool = True
    protect: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __post_init__(self) -> None:
        if self.against and not self.duplicate_rules:
            raise RecipeError(
                "nothing makes an image a duplicate of one that an earlier run kept",
                where="against",
                act="switch on a kind of `duplicates`, such as `bytes`",
            )
        rules = {rule.name for rule in self.rules}
        for one in self.known_bad.lists if self.known_bad else ():
            if one.name in rules:
                raise RecipeError(f"a list and a rule are called {one.name!r}", where=one.where, act="rename one")

    @property
    def duplicate_rules(self) -> tuple[str, ...]:
        """Names of what can make a duplicate under it: `same_bytes`, `same_pixels`, `copy`, `similar`."""
        alike = self.alike or Alike()
        on = (self.duplicate_bytes, alike.pixels, alike.copies is not None, alike.similar is not None)
        return tuple(name for name, is_on in zip(DUPLICATE_RULES, on, strict=True) if is_on)

    @property
    def columns(self) -> frozenset[str]:
        """Every column that it reads, but for hashes of known images; keys of the metadata as `metadata.key`."""
        named = (rule.columns for rule in (*self.rules, *((self.prefer,) if self.prefer else ())))
        parts = ({part.by} for part in (self.sample, self.split) if part and part.by)
        return frozenset().union(*named, *parts, *(one.read for one in self.skipped))
