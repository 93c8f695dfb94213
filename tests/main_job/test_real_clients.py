"""What the clients that people train with make of our files: Hugging Face `datasets`, PyTorch, mlcroissant.

Each is skipped where its package is not installed. A process of its own, as a user has it: some of them leave files to
the garbage collector, and all of them print warnings of their own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from tests.main_job.material import curated, sample

from nemo_curator.pipeline.export import export_locked
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.testing import make_tar

SCORES = "scores: [header, entropy]\nrules: {small: 'least(width, height) < 64'}\nsplit: {train: 0.75, val: 0.25}\n"
IMAGES = 16


def needs(*packages):
    """Skips a test where a package is not installed."""
    missing = [one for one in packages if importlib.util.find_spec(one) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """One run, exported in every format, with its documents and splits."""
    folder = tmp_path_factory.mktemp("clients")
    members = [one for number in range(IMAGES) for one in sample(f"{number:04d}", number)]
    make_tar(folder / "in" / "0.tar", [*members, *sample("tiny", 50, width=30, height=30)])
    curated(folder / "in", folder / "webdataset", SCORES + "export: {shard_size: 5, card: true}\n", workers=0)
    for form in ("parquet", "folder"):
        recipe = parse_recipe(SCORES + f"export: {{shard_size: 5, card: true, format: {form}}}\n", where="test")
        export_locked(RunDirectory(str(folder / "webdataset" / "run")), str(folder / form), recipe)
    return folder


def told(script, *arguments, cwd=None):
    """What a program prints, as JSON."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)],
        capture_output=True, text=True, check=False, env=environment, cwd=cwd,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def by_split(folder):
    """Split to (key, caption) of each sample, in order, as our own Parquet has it."""
    found = {}
    for split in ("train", "val"):
        for path in sorted((folder / split).glob("*.parquet")):
            rows = pq.read_table(path, columns=["key", "caption"]).to_pylist()
            found.setdefault(split, []).extend([row["key"], row["caption"]] for row in rows)
    return found


PARQUET = """
import json, sys
from datasets import load_dataset
folder, cache = sys.argv[1:]
files = {name: f"{folder}/{name}/*.parquet" for name in ("train", "val")}
whole = load_dataset("parquet", data_files=files, cache_dir=cache)
streamed = load_dataset("parquet", data_files=files, streaming=True)
print(json.dumps([
    {split: [[one["key"], one["caption"]] for one in rows] for split, rows in whole.items()},
    {split: [[one["key"], one["caption"]] for one in rows] for split, rows in streamed.items()},
    list(whole["train"][0]["image"].size), whole["train"].features["image"]._type, whole["train"][0]["entropy"] > 0,
]))
"""


@needs("datasets")
def test_datasets_loads_our_parquet(exports, tmp_path):
    """`load_dataset` finds pictures, captions, scores and splits, at once and in a stream."""
    whole, streamed, size, kind, scored = told(PARQUET, exports / "parquet", tmp_path)
    assert whole == streamed == by_split(exports / "parquet")
    assert sum(map(len, whole.values())) == IMAGES
    assert (size, kind, scored) == ([96, 72], "Image", True)


TARS = """
import json, sys
from datasets import load_dataset
folder, cache = sys.argv[1:]
files = {name: f"{folder}/{name}/*.tar" for name in ("train", "val")}
whole = load_dataset("webdataset", data_files=files, cache_dir=cache)
streamed = load_dataset("webdataset", data_files=files, streaming=True)
def rows(split): return [[one["__key__"], one["txt"]] for one in split]
print(json.dumps([{name: rows(one) for name, one in whole.items()}, {name: rows(one) for name, one in streamed.items()},
                  list(whole["train"][0]["jpg"].size)]))
"""


@needs("datasets")
def test_datasets_loads_our_tars(exports, tmp_path):
    """`load_dataset` reads the tars as WebDataset, at once and in a stream."""
    whole, streamed, size = told(TARS, exports / "webdataset", tmp_path)
    assert whole == streamed == by_split(exports / "webdataset")
    assert size == [96, 72]


CARD = """
import json, sys
from datasets import load_dataset
folder, cache = sys.argv[1:]
found = load_dataset(folder, cache_dir=cache)
print(json.dumps({split: rows.num_rows for split, rows in found.items()}))
"""


@needs("datasets")
@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_datasets_follows_our_card(exports, tmp_path, form):
    """The folder alone is enough: the card says which files are which split."""
    assert told(CARD, exports / form, tmp_path) == {name: len(rows) for name, rows in by_split(exports / form).items()}


FOLDER = """
import json, sys
from datasets import load_dataset
folder, cache = sys.argv[1:]
found = load_dataset("imagefolder", data_files={"train": f"{folder}/train/*/*.jpg"}, cache_dir=cache)
print(json.dumps([found["train"].num_rows, list(found["train"][0]["image"].size)]))
"""


@needs("datasets")
def test_datasets_loads_our_folders(exports, tmp_path):
    """The images of a folder are found as a folder of images."""
    assert told(FOLDER, exports / "folder", tmp_path) == [len(by_split(exports / "folder")["train"]), [96, 72]]


LOADER = """
import io, json, sys
import numpy as np, torch, webdataset
from PIL import Image
def tensors(one):
    return torch.from_numpy(np.array(Image.open(io.BytesIO(one["jpg"])).convert("RGB"))), one["txt"].decode()
urls = sys.argv[1:]
data = webdataset.WebDataset(urls, shardshuffle=False, nodesplitter=None, empty_check=False).map(tensors).batched(4)
loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=2)
batches = [(list(pictures.shape), list(captions)) for pictures, captions in loader]
print(json.dumps([sorted(caption for _, captions in batches for caption in captions), batches[0][0][1:]]))
"""


@needs("torch", "webdataset")
def test_a_data_loader_reads_our_tars(exports):
    """PyTorch's DataLoader with two workers sees every sample once."""
    urls = sorted((exports / "webdataset" / "train").glob("*.tar"))
    captions, shape = told(LOADER, *urls)
    assert captions == sorted(caption for _, caption in by_split(exports / "webdataset")["train"])
    assert shape == [72, 96, 3]


CROISSANT = """
import json, sys
import mlcroissant
data = mlcroissant.Dataset(jsonld=sys.argv[1])
issues = data.metadata.ctx.issues
rows = [{name.removeprefix("samples/"): value for name, value in one.items()} for one in data.records("samples")]
plain = [[one["key"].decode(), one["caption"].decode(), int(one["width"])] for one in rows]
picture = [list(one["image"].size) for one in rows if "image" in one]
print(json.dumps([sorted(issues.errors), sorted(plain), picture]))
"""


@needs("mlcroissant")
@pytest.mark.parametrize("form", ["parquet", "webdataset", "folder"])
def test_mlcroissant_validates_and_loads(exports, form):
    """The description has no error, and its records are our rows, pictures included where the Parquet has them."""
    errors, rows, pictures = told(CROISSANT, exports / form / "croissant.json")
    wanted = [[key, caption, 96] for split in by_split(exports / form).values() for key, caption in split]
    assert errors == []
    assert rows == sorted(wanted)
    assert pictures == ([[96, 72]] * IMAGES if form == "parquet" else [])
