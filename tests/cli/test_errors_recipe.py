"""A recipe that does not say what it means: the line, the nearest name, exit code 5 or 6, and no output."""

from __future__ import annotations

import pytest
from tests.cli.processes import imagecurator, pictures, process, sentence, tree


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder with one picture."""
    return pictures(tmp_path_factory.mktemp("recipes") / "photos", 1)


def _said(tmp_path, source, text, code=5, *extra):
    """The one sentence of a run with that recipe, which wrote nothing."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = sentence(imagecurator("run", source, tmp_path / "out", "--recipe", recipe, *extra), code)
    assert not (tmp_path / "out").exists()
    return said


MISTAKES = {
    "unknown key": ("scores: [header]\nrulez: {}\n", ["line 2", "unknown key 'rulez'", "did you mean 'rules'?"]),
    "unknown key in a section": (
        "limits:\n  pixels: 1M\n  byte: 3\n", ["line 3", "unknown key 'byte'", "did you mean 'bytes'?"]
    ),
    "duplicate key": (
        "rules:\n  a: width < 1\n  a: width < 2\n", ["line 3", "the key 'a' stands here a second time"]
    ),
    "invalid YAML": ("scores: [header\nrules: {}\n", ["line 2", "not valid YAML"]),
    "a tab": ("rules:\n\tsmall: width < 3\n", ["line 2", "not valid YAML"]),
    "no mapping": ("- header\n", ["a recipe is a mapping", "imagecurator init"]),
    "wrong type": ("export:\n  shard_size: many\n", ["line 2", "export.shard_size", "a whole number, not 'many'"]),
    "not positive": ("export: {shard_size: 0}\n", ["line 1", "greater than 0"]),
    "bad size": ("limits:\n  bytes: 12 parsecs\n", ["line 2", "'12 parsecs' is no size", "64MB"]),
    "unknown score": (
        "scores:\n  - header\n  - sharpnes\n", ["line 3", "there is no score 'sharpnes'", "did you mean 'sharpness'?"]
    ),
    "score twice": ("scores: [header, header]\n", ["line 1", "'header' stands there twice"]),
    "scores as text": ("scores: header\n", ["line 1", "a list of names"]),
    "score that is a function": ("scores: ['os:abort']\n", ["line 1", "'os:abort' is no score"]),
    "score of no module": ("scores: ['.:x']\n", ["line 1", "'.:x' cannot be imported"]),
    "score of no kind": ("scores: [header, 7]\n", ["line 1", "7 is no score"]),
    "unknown parameter": (
        "scores:\n  - header\n  - sharpness: {score_treshold: 1}\n",
        ["line 3", "no parameter 'score_treshold'", "did you mean 'score_threshold'?"],
    ),
    "idle model": ("scores: [header]\nmodels: {nsfw: open-nsfw}\n", ["line 2", "not among the scores"]),
    "unknown column": (
        "scores: [header]\nrules:\n  small: least(widht, height) < 64\n",
        ["line 3", "rule 'small'", "there is no column 'widht'", "did you mean 'width'?"],
    ),
    "column of another score": (
        "scores: [header]\nrules:\n  n: nsfw_score > 0.5\n", ["there is no column 'nsfw_score'", "`scores`"]
    ),
    "column of a score with a name of its own": (
        "scores: [header]\nrules:\n  n: clip_score < 0.2\n", ["line 3", "add `clip_score` to `scores`"]
    ),
    "model of a score in the place of a section": (
        "embedding: clip-vit-base-patch32\n", ["line 1", "unknown key 'embedding'", "`models: {embedding: …}`"]
    ),
    "model in the place of parameters": (
        "scores: [header, {embedding: clip-vit-base-patch32}]\n",
        ["line 1", "write `embedding` there", "`models: {embedding: clip-vit-base-patch32}`"],
    ),
    "a text that is too long": (
        f"scores:\n  - embedding\n  - clip_prompts: {{marked: [{'word ' * 80}]}}\n",
        ["line 3: score 'clip_prompts': a text for marked has more than the 75 tokens", "so shorten it"],
    ),
    "not boolean": ("rules:\n  x: width\n", ["line 2", "rule 'x'", "not true or false", "compare it"]),
    "text compared": ("rules:\n  x: width + 1\n", ["line 2", "not true or false"]),
    "reads a file": ("rules:\n  x: read_text('/etc/passwd') = ''\n", ["line 2", "not allowed in a rule"]),
    "reads the environment": ("rules:\n  x: getenv('HOME') = ''\n", ["line 2", "not allowed in a rule"]),
    "subquery": ("rules:\n  x: width < (select 1)\n", ["line 2", "not allowed in a rule"]),
    "query in a list": ("rules:\n  x: width in (select 1)\n", ["line 2", "not allowed in a rule"]),
    "two statements": ("rules:\n  x: 'width < 1; drop table records'\n", ["line 2", "not an SQL expression"]),
    "two expressions": ("rules:\n  x: 'width < 1; height < 1'\n", ["line 2", "not one SQL expression"]),
    "unfinished": ("rules:\n  x: width <\n", ["line 2", "not an SQL expression"]),
    "open quote": ("rules:\n  x: \"caption = 'a\"\n", ["line 2", "a quote is not closed"]),
    "chained comparison": ("rules:\n  x: 1 < width < 3\n", ["line 2", "rule 'x'"]),
    "quantile of text": ("rules:\n  x: caption < quantile(caption, 0.5)\n", ["line 2", "no number"]),
    "quantile above one": ("rules:\n  x: width < quantile(width, 30)\n", ["line 2", "is no quantile", "0.3"]),
    "names a table": ("rules:\n  x: records.width < 3\n", ["line 2", "names a table"]),
    "prefer injects": (
        "duplicates:\n  prefer: width) DESC, (SELECT 1\n", ["line 2", "rule 'prefer'", "not an SQL expression"]
    ),
    "prefer asks for a quantile": ("duplicates:\n  prefer: quantile(width, 0.5)\n", ["line 2", "may not ask"]),
    "prefer of no type": ("duplicates:\n  prefer: caption * 2 - format\n", ["line 2", "rule 'prefer'"]),
    "not UTF-8": (b"rules: {x: \xff}\n", ["cannot be read"]),
    "half a character": ('rules: {x: "\\ud800"}\n', ["line 1", "not valid text"]),
    "into itself": ("rules: &a\n  x: *a\n", ["nested too deeply, or into itself"]),
    "too deep": ("rules: " + "[" * 3000 + "\n", ["not valid YAML"]),
    "a huge number": ("export: {shard_size: " + "9" * 5000 + "}\n", ["not valid YAML"]),
    "a huge size": ("limits: {pixels: " + "9" * 400 + "M}\n", ["line 1", "limits.pixels"]),
    "laughs": (
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        ["more than 20,000 values"],
    ),
    "a Python object": ("scores: !!python/object/apply:os.abort []\n", ["line 1", "not valid YAML"]),
    "a wrong tag": ("export: {shard_size: !!int abc}\n", ["not valid YAML"]),
    "a list as a key": ("? [a, b]\n: 1\n", ["line 1", "a key is a plain word"]),
    "endless seconds": ("limits: {seconds: .inf}\n", ["line 1", "limits.seconds"]),
    "a date": ("rules:\n  x: 2001-01-01\n", ["line 2", "this should be text, not"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_in_a_recipe(tmp_path, source, name):
    """Each mistake is told in one sentence that says where it stands and what to write instead."""
    text, wanted = MISTAKES[name]
    said = _said(tmp_path, source, text)
    for part in wanted:
        assert part in said
    assert len(said) < 1000


def test_unknown_model(tmp_path, source):
    """A model that is not registered is exit code 6, with its line and the nearest name."""
    said = _said(tmp_path, source, "models:\n  nsfw: open-nfsw\n", 6)
    assert "line 2" in said
    assert "did you mean 'open-nsfw'?" in said


def test_a_precision_in_a_score_that_there_is_not(tmp_path, source):
    """What is wrong with how a score's model is to be computed is told with the line and the score."""
    said = _said(tmp_path, source, "scores:\n  - header\n  - embedding: {precision: fp8}\n", 6)
    assert "line 3: score 'embedding': 'fp8' is no precision that it is computed in" in said


@pytest.mark.parametrize(("options", "wanted"), [
    (["--scores", "header,sharpnes"], "--scores: there is no score 'sharpnes'; did you mean 'sharpness'?"),
    (["--set", "inference.precision=fp8"], "--set inference.precision: this should be 'auto', 'fp32'"),
    (["--set", "export={shard_size: many}"], "--set export: export.shard_size: this should be a whole number"),
])  # fmt: skip
def test_an_option_is_called_by_its_name(tmp_path, source, options, wanted):
    """A mistake is told with the option that was typed, and with a key where that does not name it already."""
    assert wanted in sentence(imagecurator("run", source, tmp_path / "out", *options), 5)


def test_model_of_another_kind(tmp_path, source):
    """A model that gives something else than the score asks for is exit code 6."""
    said = _said(tmp_path, source, "models: {nsfw: efficientnet-lite0}\n", 6)
    assert "efficientnet-lite0" in said


CLIP = "scores: [{{embedding: {{model: clip-vit-large-patch14, model_dir: {}}}}}]\nrules: {{}}\n"


def test_missing_weights(tmp_path, source):
    """A model whose weights are not in its folder is exit code 6 before anything is written, with what to put there."""
    said = _said(tmp_path, source, CLIP.format(tmp_path / "nowhere"), 6)
    assert "nowhere/openai/clip-vit-large-patch14: " in said
    assert "model.safetensors" in said


@pytest.mark.parametrize("workers", [0, 1])
def test_corrupt_weights(tmp_path, source, workers):
    """Weights that are garbage are exit code 6, told from a worker as from this process; no data set is there."""
    weights = tmp_path / "models" / "openai" / "clip-vit-large-patch14" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"not a model" * 100)
    (weights.parent / "config.json").write_text('{"vision_config": {"patch_size": 14}, "projection_dim": 768}')
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(CLIP.format(tmp_path / "models"))
    arguments = ("run", source, tmp_path / "out", "-r", recipe)
    done = process(*arguments, "-w", workers) if workers else imagecurator(*arguments)
    assert "model.safetensors" in sentence(done, 6)
    assert set(tree(tmp_path / "out")) <= {"run/run.json", "run/partitions.parquet"}


def test_missing_recipe(tmp_path, source):
    """A recipe that is not there says how to get one."""
    said = sentence(imagecurator("run", source, tmp_path / "out", "-r", tmp_path / "none.yaml"), 5)
    assert "there is no such recipe; `imagecurator init` writes one" in said
    assert "none.yaml" in said


def test_recipe_is_a_folder(tmp_path, source):
    """A folder given as recipe is named."""
    said = sentence(imagecurator("run", source, tmp_path / "out", "-r", tmp_path), 5)
    assert "cannot be read" in said


SETTINGS = {
    "export.shard_size": ["is not KEY=VALUE", "--set export.shard_size=500"],
    "=5": ["is not KEY=VALUE"],
    "export.shard_size=many": ["--set export.shard_size", "this should be a whole number, not 'many'"],
    "export.shardsize=5": ["unknown key 'shardsize'", "did you mean 'shard_size'?"],
    "scores.x=1": ["--set scores.x", "'scores' is no section"],
    "rules.x=widht < 3": ["--set rules.x", "did you mean 'width'?"],
    "rules.x=width": ["--set rules.x", "not true or false"],
    "limits.pixels=&a [*a]": ["--set limits.pixels"],
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_mistakes_on_the_command_line(tmp_path, source, setting):
    """A mistake in `--set` is blamed on `--set`, not on a line of the file that it overrides."""
    said = _said(tmp_path, source, "scores: [header]\nrules: {}\nlimits: {pixels: 1M}\n", 5, "--set", setting)
    for part in SETTINGS[setting]:
        assert part in said
    assert "line" not in said
