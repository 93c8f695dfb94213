"""What becomes of a picture before a tower sees it: the view that is cut, and the normalisation of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nemo_curator.kernels.view import Filter, View
from nemo_curator.models.layouts.settings import Settings, Triple

_FILTERS: dict[int, Filter] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers, which the files have


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """A view and a normalisation: `(pixel / 255 - mean) / deviation`.

    Attributes:
        view: The picture that is cut of every image; it is square.
        mean: Of red, green and blue, 0 to 1.
        deviation: Of red, green and blue, in the same unit.
    """

    view: View
    mean: Triple
    deviation: Triple

    @property
    def side(self) -> int:
        """Side of the view in pixels."""
        return self.view.crop or self.view.size


def read_preprocessor(file: Settings, default: Preprocessing) -> Preprocessing:
    """What a `preprocessor_config.json` of Hugging Face says.

    Args:
        file: The file.
        default: What the kind of model means where a key is absent.

    Raises:
        WeightsError: It says something that is no square view of normalised pixels.
    """
    for key in ("do_resize", "do_rescale", "do_normalize"):
        if not file.flag(key, default=True):
            raise file.wrong(f"{key} is false, which is not supported")
    factor = file.number("rescale_factor", 1 / 255)
    if abs(factor * 255 - 1) > 1e-6:
        raise file.wrong(f"rescale_factor is {factor}, expected 1/255")
    view = _resized(file, default.view)
    if file.flag("do_center_crop", default=default.view.crop is not None):
        view = replace(view, crop=file.side("crop_size", default.view.crop or view.size), centre="down")
    elif view.fit == "short":
        raise file.wrong("do_center_crop is false, so that pictures would not be square, which is not supported")
    # one that is larger than what it is cut of would be padded
    if view.crop is not None and view.crop > view.size:
        raise file.wrong(f"crop_size is {view.crop}, more than the {view.size} of size")
    mean, deviation = file.triple("image_mean", default.mean), file.triple("image_std", default.deviation)
    if min(deviation) <= 0:
        raise file.wrong(f"image_std is {list(deviation)}, expected positive numbers")
    return Preprocessing(view, mean, deviation)


def words(view: View) -> str:
    """A view in words, for error messages."""
    resized = f"the short side to {view.size}" if view.fit == "short" else f"both sides to {view.size}"
    cut = "" if view.crop is None else f", centre {view.crop}"
    return f"{resized}, {view.filter}{cut}"


def _resized(file: Settings, default: View) -> View:
    number = file.content.get("resample")
    if number is not None and (type(number) is not int or number not in _FILTERS):
        raise file.wrong(f"it resamples with filter {number!r}, which is not supported")
    view = replace(default, crop=None, centre="even", filter=default.filter if number is None else _FILTERS[number])
    size = file.content.get("size")
    if not isinstance(size, dict):  # one number means what it meant when the kind of model was new
        return replace(view, size=file.side("size", default.size))
    if set(size) == {"shortest_edge"}:
        return replace(view, fit="short", size=file.section("size").side("shortest_edge", 0))
    return replace(view, fit="squash", size=file.side("size", default.size))
