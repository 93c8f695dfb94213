"""From the bytes of real photos to embeddings, beside each model's own processor."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
from tests.models.test_towers import cosines
from tests.models.tiny_towers import dinov2, openclip, siglip
from tests.models.tower_reference import transformers_rows

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut
from nemo_curator.models import registry

# with the views of the registered models
TINY = {
    "siglip": siglip(side=224, resample=3),
    "siglip2": siglip(side=224, resample=2),
    "dinov2": dinov2(patch=14, known=518, resized=256, side=224),
    "dinov2-registers": dinov2(registers=4, patch=14, known=518, resized=256, side=224),
}


@pytest.fixture(scope="module")
def photos(shared_data):
    """The bytes of 20 real photos."""
    with tarfile.open(shared_data / "photos" / "00003.tar") as tar:
        members = [member for member in tar if member.name.endswith(".jpg")]
        return [tar.extractfile(member).read() for member in members[:20]]


def embedded(name, folder, photos):
    """Rows of photos on the whole path: decoded, cut to the view that the model asks for, embedded."""
    spec = registry.get_spec(name, folder)
    views = [cut(decode(data, probe(data)), [spec.view])[spec.view] for data in photos]
    return registry.load(name, model_dir=folder)(np.stack(views))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", TINY)
def test_a_models_own_processor_is_met(name, photos, tmp_path):
    """From JPEG bytes on, embeddings equal those of transformers with the processor that lies beside the weights."""
    from PIL import Image

    pytest.importorskip("torch", reason="torch is for parity only")
    pytest.importorskip("transformers", reason="transformers is for parity only")
    TINY[name].write(tmp_path / "owner" / name)
    rows = embedded(f"owner/{name}", tmp_path, photos)
    expected = transformers_rows(
        tmp_path / "owner" / name, [Image.open(io.BytesIO(data)).convert("RGB") for data in photos], cut=True
    )
    assert (cosines(rows, expected) >= 0.99999).all()


@pytest.mark.parametrize("squashed", [False, True])
def test_openclips_own_view_is_met(squashed, photos, tmp_path):
    """The same for the two ways in which OpenCLIP cuts pictures, which are Pillow's resize and a centre crop."""
    from PIL import Image

    tiny = openclip(quick=False, scaled=False, squashed=squashed)
    tiny.write(tmp_path / "owner" / "model")
    expected = []
    for data in photos:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        if squashed:
            view = picture.resize((40, 40), Image.Resampling.BILINEAR)
        else:
            short = min(picture.size)
            sides = tuple(int(40 * side / short) for side in picture.size)
            left, top = (round((side - 40) / 2) for side in sides)
            view = picture.resize(sides, Image.Resampling.BICUBIC).crop((left, top, left + 40, top + 40))
        expected.append(np.asarray(view))
    by_hand = registry.load("owner/model", model_dir=tmp_path)(np.stack(expected))
    assert (cosines(embedded("owner/model", tmp_path, photos), by_hand) >= 0.99999).all()
