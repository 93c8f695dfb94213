from __future__ import annotations

import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.models.formula import numbers, unit_rows
from tests.models.test_torch_file import several, storage, tensor, text, tree, write_zip

from nemo_curator.errors import ModelError, WeightsError, WeightsNotFoundError
from nemo_curator.models.aesthetics import AestheticScorer
from nemo_curator.models.nsfw import NSFWScorer
from nemo_curator.models.torch_file import read_tensors
from nemo_curator.models.weights import read_safetensors

AESTHETIC = "ttj/sac-logos-ava1-l14-linearMSE"
NSFW = "laion/clip-autokeras-binary-nsfw"
AESTHETIC_SHAPES = {0: (1024, 768), 2: (128, 1024), 4: (64, 128), 6: (16, 64), 7: (1, 16)}
NSFW_SHAPES = {1: (64, 768), 2: (512, 64), 3: (256, 512), 4: (1, 256)}


def aesthetic_tensors():
    """A head of the right shape with numbers of our own."""
    tensors = {}
    for layer, shape in AESTHETIC_SHAPES.items():
        tensors[f"layers.{layer}.weight"] = numbers(*shape, seed=layer, scale=4 / shape[1] ** 0.5)
        tensors[f"layers.{layer}.bias"] = numbers(shape[0], seed=layer + 50, scale=2)
    return tensors


def nsfw_tensors():
    """A network of the right shape with numbers of our own."""
    tensors = {"norm.mean": numbers(768, seed=1, scale=0.02), "norm.variance": numbers(768, seed=2, scale=1e-3) + 1e-3}
    for layer, shape in NSFW_SHAPES.items():
        tensors[f"linear_{layer}.weight"] = numbers(*shape, seed=layer + 5, scale=6 / shape[1] ** 0.5)
        tensors[f"linear_{layer}.bias"] = numbers(shape[0], seed=layer + 70, scale=0.5)
    return {name: array.astype(np.float32) for name, array in tensors.items()}


def write_nsfw(folder, tensors):
    """The network in a torch file, in the layout of a user's model_dir."""
    path = folder / NSFW / "clip_autokeras_binary_nsfw.pth"
    path.parent.mkdir(parents=True)
    entries, blocks = {}, {}
    for index, (name, array) in enumerate(tensors.items()):
        strides = tuple(step // 4 for step in array.strides)
        entries[name] = tensor(storage(str(index), count=array.size), 0, array.shape, strides)
        blocks[str(index)] = array.tobytes()
    return write_zip(path, tree(**entries), blocks)


def write_aesthetic(folder, tensors):
    """The head in the layout of a user's model_dir."""
    path = folder / AESTHETIC / "model.safetensors"
    path.parent.mkdir(parents=True)
    save_file(tensors, path)
    return path


@pytest.fixture
def model_dir(tmp_path):
    """Both heads with numbers of our own."""
    write_aesthetic(tmp_path, aesthetic_tensors())
    write_nsfw(tmp_path, nsfw_tensors())
    return tmp_path


def layer_by_layer(tensors, rows):
    """The aesthetic head as it was trained: five affine layers, one after the other, in float64."""
    for layer in AESTHETIC_SHAPES:
        weight, bias = (tensors[f"layers.{layer}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        rows = rows @ weight.T + bias
    return rows[:, 0]


def network(tensors, rows):
    """The NSFW network as it was trained, in float64."""
    rows = (rows - tensors["norm.mean"].astype(np.float64)) / np.sqrt(tensors["norm.variance"].astype(np.float64))
    for layer in NSFW_SHAPES:
        rows = rows @ tensors[f"linear_{layer}.weight"].astype(np.float64).T + tensors[f"linear_{layer}.bias"]
        rows = np.maximum(rows, 0) if layer < 4 else 1 / (1 + np.exp(-rows))
    return rows[:, 0]


def test_the_collapsed_aesthetic_head_equals_its_five_layers(model_dir):
    """One vector and one bias give what the layers give, to float32 rounding."""
    scorer = AestheticScorer(model_dir)
    scorer.setup()
    rows = unit_rows(64)
    expected = layer_by_layer(aesthetic_tensors(), rows.astype(np.float64))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(scorer(rows), expected, rtol=0, atol=1e-6)


def test_the_real_aesthetic_head_equals_its_five_layers(real_heads):
    """The LAION head, collapsed, gives what its layers give, to float32 rounding."""
    scorer = AestheticScorer(real_heads)
    scorer.setup()
    rows = unit_rows(256)
    expected = layer_by_layer(read_safetensors(real_heads / AESTHETIC / "model.safetensors"), rows.astype(np.float64))
    np.testing.assert_allclose(scorer(rows), expected, rtol=0, atol=2e-6)


def test_the_nsfw_network_equals_its_description(model_dir):
    """Normalisation, ReLU layers and sigmoid, within float32 rounding of a float64 forward."""
    scorer = NSFWScorer(model_dir)
    scorer.setup()
    rows = unit_rows(64)
    expected = network(nsfw_tensors(), rows.astype(np.float64))
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(scorer(rows), expected, rtol=0, atol=1e-5)


def test_the_real_nsfw_network_equals_its_description(real_heads):
    """The LAION network as its layers say, within float32 rounding of a float64 forward."""
    path = real_heads / NSFW / "clip_autokeras_binary_nsfw.pth"
    scorer = NSFWScorer(weights_path=path)
    scorer.setup()
    rows = unit_rows(256)
    np.testing.assert_allclose(scorer(rows), network(read_tensors(path), rows.astype(np.float64)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", [AestheticScorer, NSFWScorer])
def test_a_score_depends_on_its_own_row_only(model_dir, kind):
    """To the last bit: alone, among 3, among 32, in reverse, from a strided array."""
    scorer = kind(model_dir)
    scorer.setup()
    rows = unit_rows(32)
    scores = scorer(rows)
    assert scores.dtype == np.float32
    assert scores.shape == (32,)
    alone = np.concatenate([scorer(rows[i : i + 1]) for i in range(32)])
    np.testing.assert_array_equal(alone, scores)
    np.testing.assert_array_equal(scorer(rows[5:8]), scores[5:8])
    np.testing.assert_array_equal(scorer(rows[::-1]), scores[::-1])
    np.testing.assert_array_equal(scorer(np.asfortranarray(rows)), scores)
    np.testing.assert_array_equal(scorer(rows[1::2].astype(np.float64)), scores[1::2])


@pytest.mark.parametrize("kind", [AestheticScorer, NSFWScorer])
def test_nothing_is_scored_as_nothing(model_dir, kind):
    """An empty batch gives an empty array."""
    scorer = kind(model_dir)
    scorer.setup()
    assert scorer(np.zeros((0, 768), np.float32)).shape == (0,)
    assert scorer([]).shape == (0,)


@pytest.mark.parametrize("kind", [AestheticScorer, NSFWScorer])
def test_nan_stays_nan_and_its_own(model_dir, kind):
    """An embedding with NaN gets NaN, never a number, and spoils no neighbour."""
    scorer = kind(model_dir)
    scorer.setup()
    rows = unit_rows(3)
    clean = scorer(rows)
    rows[1, 5] = np.nan
    scores = scorer(rows)
    assert np.isnan(scores[1])
    np.testing.assert_array_equal(scores[[0, 2]], clean[[0, 2]])


@pytest.mark.parametrize("kind", [AestheticScorer, NSFWScorer])
def test_embeddings_of_another_width_are_refused(model_dir, kind):
    """The error says which shape is expected."""
    scorer = kind(model_dir)
    scorer.setup()
    for rows in (np.zeros((2, 512)), np.zeros(768), np.zeros((1, 2, 768))):
        with pytest.raises(ValueError, match=r"\(N, 768\)"):
            scorer(rows)


@pytest.mark.parametrize("kind", [AestheticScorer, NSFWScorer])
def test_a_torch_tensor_is_scored_like_an_array(model_dir, kind):
    """Whatever stands behind detach, cpu, float and numpy is taken: torch's protocol, without torch."""
    scorer = kind(model_dir)
    scorer.setup()

    class Tensor:
        def __init__(self, array):
            self.array = array
            self.calls = []

        def __getattr__(self, verb):
            if verb not in {"detach", "cpu", "float"}:
                raise AttributeError(verb)
            self.calls.append(verb)
            return lambda: self

        def numpy(self):
            assert {"detach", "cpu", "float"} <= set(self.calls)
            return self.array

    rows = unit_rows(4)
    np.testing.assert_array_equal(scorer(Tensor(rows)), scorer(rows))


@pytest.mark.parametrize("kind", [AestheticScorer, NSFWScorer])
def test_a_real_torch_tensor_is_scored_like_an_array(model_dir, kind):
    """The same with torch itself, and a tensor that wants gradients."""
    torch = pytest.importorskip("torch", reason="torch is for parity only")
    scorer = kind(model_dir)
    scorer.setup()
    rows = unit_rows(4)
    np.testing.assert_array_equal(scorer(torch.from_numpy(rows).requires_grad_()), scorer(rows))


@pytest.mark.parametrize("kind", [AestheticScorer, NSFWScorer])
def test_a_scorer_travels_to_a_worker_before_and_after_setup(model_dir, kind):
    """A head is plain arrays, so it pickles in either state."""
    scorer = kind(str(model_dir))
    arrived = pickle.loads(pickle.dumps(scorer))  # noqa: S301  our own bytes
    arrived.setup()
    scorer.setup()
    rows = unit_rows(2)
    np.testing.assert_array_equal(arrived(rows), scorer(rows))


@pytest.mark.parametrize("kind", [AestheticScorer, NSFWScorer])
def test_a_call_before_setup_is_said_so(kind):
    """The error names the class and what was forgotten."""
    with pytest.raises(ModelError, match=rf"{kind.__name__} was called before setup"):
        kind("anywhere")(unit_rows(1))


@pytest.mark.parametrize(("kind", "file"), [(AestheticScorer, "model.safetensors"), (NSFWScorer, "_nsfw.pth")])
def test_missing_weights_name_the_file_and_its_place(tmp_path, kind, file):
    """Both setup and download_weights_on_node say which file to put where; a missing model_dir too."""
    for act in (kind(tmp_path).setup, lambda: kind.download_weights_on_node(tmp_path)):
        with pytest.raises(WeightsNotFoundError, match=file) as caught:
            act()
        assert str(tmp_path / kind.model_id_names()[0]) in str(caught.value)
    with pytest.raises(WeightsNotFoundError, match="model_dir"):
        kind().setup()


@pytest.mark.parametrize("kind", [AestheticScorer, NSFWScorer])
def test_weights_that_are_there_are_not_downloaded(model_dir, kind):
    """Nothing is fetched and nothing changes."""
    before = {path: path.stat().st_mtime_ns for path in model_dir.rglob("*")}
    kind.download_weights_on_node(model_dir)
    assert {path: path.stat().st_mtime_ns for path in model_dir.rglob("*")} == before


def test_an_aesthetic_head_of_another_model_is_refused(tmp_path):
    """A wrong shape or a missing layer is named, with what was expected."""
    tensors = aesthetic_tensors()
    tensors["layers.0.weight"] = numbers(1024, 512)
    path = write_aesthetic(tmp_path, tensors)
    with pytest.raises(WeightsError, match=r"layers\.0\.weight.*\[1024, 512\].*\[1024, 768\]"):
        AestheticScorer(tmp_path).setup()
    tensors = aesthetic_tensors()
    del tensors["layers.7.bias"]
    save_file(tensors, path)
    with pytest.raises(WeightsError, match=r"no tensor 'layers\.7\.bias' of shape \[1\]"):
        AestheticScorer(tmp_path).setup()


def test_an_nsfw_network_of_another_model_is_refused(tmp_path):
    """A linear head in its place is told apart by the first missing name."""
    write_nsfw(tmp_path, {"weight": numbers(1, 768), "bias": numbers(1)})
    with pytest.raises(WeightsError, match=r"no tensor 'norm\.mean' of shape \[768\]"):
        NSFWScorer(tmp_path).setup()


def test_an_nsfw_file_with_code_in_it_is_refused(tmp_path):
    """A weight file that would run a command is refused by the name of the command."""
    content = tree(w=b"cos\nsystem\n" + several(text("false")) + b"R")
    with pytest.raises(WeightsError, match=r"os\.system"):
        NSFWScorer(weights_path=write_zip(tmp_path / "w.pth", content)).setup()


def test_weights_path_stands_in_for_model_dir(tmp_path):
    """A path of its own is read, and model_dir is not looked at."""
    path = write_nsfw(tmp_path, nsfw_tensors())
    scorer = NSFWScorer("nowhere", weights_path=path)
    scorer.setup()
    assert scorer(unit_rows(2)).shape == (2,)


def test_model_ids_are_those_of_the_layout():
    """The ids are the folders under model_dir."""
    assert AestheticScorer.model_id_names() == [AESTHETIC]
    assert NSFWScorer.model_id_names() == [NSFW]


def test_an_extreme_logit_saturates_without_a_warning(tmp_path):
    """Scores stay in 0 to 1 where exp would overflow."""
    tensors = nsfw_tensors()
    tensors["linear_4.weight"] = np.zeros((1, 256), np.float32)
    for bias, expected in [(1e4, 1.0), (-1e4, 0.0)]:
        tensors["linear_4.bias"] = np.array([bias], np.float32)
        folder = tmp_path / str(bias)
        write_nsfw(folder, tensors)
        scorer = NSFWScorer(folder)
        scorer.setup()
        assert scorer(unit_rows(1))[0] == expected
